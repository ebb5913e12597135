"""Finds variables that look like settings but are none, because a typo in one would otherwise go unnoticed for ever."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

PREFIXES = ("KUMA_", "URSA_")
"""Prefixes of variables, the later one wins."""

_NO_SETTINGS = re.compile(
    r"CONFIG_FILE|SHARED"  # of the command, of the tests
    r"|(DATAPLANE|DATAPLANE_RUNTIME|CONTROL_PLANE|DNS|CP|DP)_.*"  # of a launcher of proxies beside us
    r"|.*_SERVICE_HOST|.*_SERVICE_PORT(_\w+)?|.*_PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?"  # service links of Kubernetes
)
_LINK = re.compile(r"(tcp|udp)://.*")


def unknown_variables(environ: Mapping[str, str], known: Iterable[str]) -> Iterator[str]:
    """A text for each variable with one of our prefixes that is no setting, with the nearest one that is."""
    names = set(known)
    for variable in sorted(environ):
        prefix = next((p for p in PREFIXES if variable.startswith(p)), None)
        if prefix is None or (name := variable.removeprefix(prefix)) in names:
            continue
        near = difflib.get_close_matches(name, names, 1, cutoff=0.8)
        if not near and (_NO_SETTINGS.fullmatch(name) or _LINK.fullmatch(environ[variable])):
            continue
        hint = f", did you mean {prefix}{near[0]}?" if near else ""
        yield f"unknown variable {variable}{hint}"
