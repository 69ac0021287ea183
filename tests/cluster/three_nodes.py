"""``python three_nodes.py``: three Ray nodes of one CPU on this machine, until stdin is closed.

Prints one line of JSON: the addresses of the dashboard and the cluster, and the worker nodes'
raylets. A process of its own, since Ray reads how to authenticate once in a process.
"""

import json
import socket
import sys

from ray.cluster_utils import Cluster

NODE = {"num_cpus": 1}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def main() -> None:
    port = free_port()
    head = {
        **NODE,
        "include_dashboard": True,
        "dashboard_port": port,
        "dashboard_agent_listen_port": free_port(),
    }
    cluster = Cluster(initialize_head=True, head_node_args=head)
    workers = [cluster.add_node(**NODE) for _ in range(2)]
    found = {
        "dashboard": f"http://127.0.0.1:{port}",
        "address": cluster.address,
        "raylets": [node.all_processes["raylet"][0].process.pid for node in workers],
    }
    print(json.dumps(found), flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
