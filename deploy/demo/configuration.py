"""What an Envoy has been given, in a form that shows every difference: contents, versions, times and update counters.

A reconnect that sends the same bytes again leaves the contents equal, but it moves `last_updated` and the counters of
successful updates; both are compared, so that "nothing changed" means that nothing was sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from deploy.demo.waiting import fetch
from ursa.errors import Unavailable

Configuration = dict[str, Any]
"""Parts of one proxy's configuration by name."""

COUNTERS = "stats?format=json&filter=" + r"(update_success|update_rejected)$"
NAMES = ("name", "cluster_name")


async def configurations(admin_ports: Mapping[str, int]) -> dict[str, Configuration]:
    """The configurations of several proxies.

    Raises:
        Unavailable: one does not answer.
    """
    found = await asyncio.gather(*(_configuration(name, port) for name, port in admin_ports.items()))
    return dict(zip(admin_ports, found, strict=True))


def differences(before: Mapping[str, Configuration], after: Mapping[str, Configuration]) -> list[str]:
    """Parts that came, went or changed, as `<proxy>: <part>`."""
    return [
        f"{proxy}: {part}"
        for proxy, parts in before.items()
        for part in sorted(parts.keys() | after[proxy].keys())
        if parts.get(part) != after[proxy].get(part)
    ]


async def _configuration(name: str, port: int) -> Configuration:
    admin = f"http://127.0.0.1:{port}"
    dump, counters = await asyncio.gather(fetch(f"{admin}/config_dump?include_eds"), fetch(f"{admin}/{COUNTERS}"))
    if dump is None or counters is None:
        raise Unavailable(f"the Envoy of {name} does not tell its configuration")
    parts: dict[str, list[bytes]] = {}
    for section in orjson.loads(dump)["configs"]:
        for part, value in _parts(section):
            parts.setdefault(part, []).append(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    counts = {stat["name"]: stat["value"] for stat in orjson.loads(counters)["stats"]}
    return {part: sorted(values) for part, values in parts.items()} | counts


def _parts(section: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A section of the dump as named parts; Envoy lists them in any order, and not all names are unique."""
    kind = str(section["@type"]).rpartition(".")[2]
    for field, value in section.items():
        if not isinstance(value, list):
            yield f"{kind} {field}", value
            continue
        for entry in value:
            yield f"{kind} {field} {_name(entry)}", entry


def _name(entry: Mapping[str, Any]) -> str:
    """The name of an entry, which some kinds of entries keep one level further down."""
    inner = next((value for value in entry.values() if isinstance(value, dict) and any(n in value for n in NAMES)), {})
    return next((str(part[name]) for part in (entry, inner) for name in NAMES if name in part), "")
