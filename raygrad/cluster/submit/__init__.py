"""Jobs on a running Ray cluster, over HTTP: submit, attach, follow and stop them."""

from raygrad.cluster.submit.client import connect
from raygrad.cluster.submit.following import OVER, follow, stop
from raygrad.cluster.submit.shipment import Shipment
from raygrad.cluster.submit.submission import Submission, jobs, submit

__all__ = ["OVER", "Shipment", "Submission", "connect", "follow", "jobs", "stop", "submit"]
