"""The configuration as it takes effect: what was left empty is shown with what the process decided by itself.

Kuma fills these in before it shows them (`spec/config.md`, auto-configuration), and tools read the TLS pair, the work
directory and the authentication of proxies from there.
"""

from __future__ import annotations

from typing import Any

from ursa.runtime.addresses import own_address
from ursa.runtime.config.tree import Settings, work_dir

_SERVERS = (
    ("general",),
    ("apiServer", "https"),
    ("dpServer",),
    ("diagnostics",),
    ("monitoringAssignmentServer",),
    ("multizone", "global", "kds"),
)
"""Where a server's TLS pair is set."""

_AUTHENTICATION = {
    "universal": ("dpToken", "zoneToken"),
    "kubernetes": ("serviceAccountToken", "serviceAccountToken"),
}
"""How proxies and zone proxies show who they are, by environment."""


def effective(settings: Settings, pair: tuple[str, str] | None) -> dict[str, Any]:
    """The whole tree under the keys of files, secrets masked.

    Args:
        settings: as they were configured.
        pair: files with certificate and key of servers that have none of their own.
    """
    found: dict[str, Any] = settings.model_dump(mode="json", by_alias=True)
    for path in _SERVERS if pair is not None else ():
        server = _at(found, path)
        if not (server["tlsCertFile"] and server["tlsKeyFile"]):
            server["tlsCertFile"], server["tlsKeyFile"] = pair or ("", "")
    found["general"]["workDir"] = str(work_dir(settings))
    params = found["bootstrapServer"]["params"]
    params["xdsPort"] = params["xdsPort"] or settings.dp_server.port
    authn = found["dpServer"]["authn"]
    for part, usual in zip(("dpProxy", "zoneProxy"), _AUTHENTICATION[settings.environment], strict=True):
        authn[part]["type"] = authn[part]["type"] or usual
    catalog = found["interCp"]["catalog"]
    catalog["instanceAddress"] = catalog["instanceAddress"] or own_address()
    return found


def _at(found: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for part in path:
        found = found[part]
    return found
