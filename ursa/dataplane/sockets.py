"""Names of the sockets in the work directory; the control plane computes the same ones, so they must match exactly."""

from __future__ import annotations

from pathlib import Path

MAX_STEM = 98
"""Characters of a path kept before `.sock` is appended (`spec/dataplane.md` §2.4; Unix allows 108)."""


def socket_path(work_dir: str, stem: str) -> Path:
    """The path of a socket or pipe in the work directory."""
    return Path(f"{work_dir}/{stem}"[:MAX_STEM] + ".sock")


def readiness(work_dir: str) -> Path:
    """Where the readiness reporter listens."""
    return socket_path(work_dir, "kuma-readiness-reporter")


def access_log(work_dir: str, name: str, mesh: str) -> Path:
    """The pipe into which Envoy writes access log lines for TCP backends."""
    return socket_path(work_dir, f"kuma-al-{name}-{mesh}")


def metrics(work_dir: str, name: str, mesh: str) -> Path:
    """Where the launcher answers readers of metrics."""
    return socket_path(work_dir, f"kuma-mh-{name}-{mesh}")


def dynamic_configuration(work_dir: str) -> Path:
    """Where Envoy answers the launcher."""
    return socket_path(work_dir, "kuma-mesh-metric-config")
