"""The connection to a cluster's dashboard, which takes jobs."""

import logging
import os
from typing import Any

from raygrad.errors import ClusterError

HOW_TO_START = """no address of a Ray cluster is given. Either
  use `raygrad run JOB.yaml`, which needs no cluster;
  or start one on this machine with `ray start --head`, and name it: --address http://127.0.0.1:8265
  or set RAY_ADDRESS, for instance to what `kubectl port-forward service/HEAD-SVC 8265` opens."""

CHATTY = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray._private.runtime_env.packaging",
    "ray.dashboard.modules.job.sdk",
)
"""They tell of each package that is sent."""


def connect(address: str | None) -> Any:
    """Connects to a cluster.

    Args:
        address: The dashboard's, such as ``http://127.0.0.1:8265``; None takes RAY_ADDRESS.

    Returns:
        A :class:`ray.job_submission.JobSubmissionClient`.

    Raises:
        ClusterError: If there is no address, no answer, or no valid token.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    if not address:
        raise ClusterError(HOW_TO_START)
    if not address.startswith(("http://", "https://")):
        raise ClusterError(
            f"{address} is no address that jobs are submitted to; use the dashboard's, such as "
            "http://127.0.0.1:8265"
        )
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        return JobSubmissionClient(address)
    except AuthenticationError as error:
        raise ClusterError(
            f"the cluster at {address} refuses this token, or wants one and got none: set "
            "RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the cluster's "
            "(`ray get-auth-token` prints it there)"
        ) from error
    except (ConnectionError, OSError) as error:
        raise ClusterError(
            f"no Ray cluster answers at {address}; check that it runs, that its dashboard does "
            "(pip install 'ray[default]'), and that this machine reaches it"
        ) from error
    except RuntimeError as error:
        raise ClusterError(f"the cluster at {address} takes no jobs: {error}") from error
