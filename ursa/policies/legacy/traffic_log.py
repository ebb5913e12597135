"""TrafficLog: a line per request or connection to a destination, in a backend of the mesh (`spec` §3.3)."""

from __future__ import annotations

from ursa.ir.access_logs import AccessLog, FileLog
from ursa.ir.listener import OUTBOUND, Listener
from ursa.model.mesh import Mesh
from ursa.policies.core.log_formats import Conversation, default_format, logging
from ursa.policies.core.speaker import Speaker
from ursa.policies.legacy.matching import ConnectionPolicy

KIND = "TrafficLog"


def log_traffic(
    listener: Listener, policy: ConnectionPolicy, mesh: Mesh, *, speaker: Speaker, destination: str
) -> None:
    """Adds the log; without a backend of that name nothing is written."""
    backend = mesh.log_backend(policy.resource.spec.get("conf", {}).get("backend", ""))
    if backend is None:
        return
    talk = Conversation(speaker, speaker.service, destination, OUTBOUND)
    for chain, logs in logging(listener):
        text = talk.fill(backend.format or default_format(chain)) + "\n"
        if backend.address:
            logs.append(AccessLog(FileLog(speaker.log_pipe, f"{backend.address};{text}")))
        else:
            logs.append(AccessLog(FileLog(backend.path, text)))
