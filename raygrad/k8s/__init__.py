"""Kubernetes manifests of a job, and the nightly start of its RayJob, without a client."""
