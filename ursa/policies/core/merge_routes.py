"""How the confs of several MeshHTTPRoutes become those of one destination.

Rules are told apart by their matches: of two rules with the same matches the stronger one's conf is merged over the
weaker one's. Stronger rules come first, because a request takes the first rule that matches it. Rules limited to host
names are kept apart by host name, so a destination can have several confs; they come in the order in which their host
names are first mentioned, the weakest policy first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ursa.model.json import Json, JsonObject
from ursa.policies.core.merge import merge
from ursa.policies.core.route_hash import matches_hash

_ANY_HOST = ""


def merge_routes(confs: Sequence[JsonObject]) -> tuple[JsonObject, ...]:
    """Merges confs in ascending strength into one conf per host name."""
    hosts = dict.fromkeys(host for conf in confs for host in _hosts(conf))
    merged = [_of_host(host, [conf for conf in confs if host in _hosts(conf)]) for host in hosts]
    return tuple(merged)


def rules_by_hash(conf: JsonObject) -> dict[str, JsonObject]:
    """The rules of a conf under the hashes of their matches; of two with the same matches the first one counts."""
    rules: Iterable[JsonObject] = conf.get("rules") or ()
    found: dict[str, JsonObject] = {}
    for rule in rules:
        found.setdefault(matches_hash(rule.get("matches") or ()), rule)
    return found


def _hosts(conf: JsonObject) -> Sequence[str]:
    return conf.get("hostnames") or (_ANY_HOST,)


def _of_host(host: str, confs: Sequence[JsonObject]) -> JsonObject:
    rules: dict[str, Json] = {}
    for conf in reversed(confs):
        for digest, rule in rules_by_hash(conf).items():
            stronger = rules.get(digest)
            rules[digest] = rule if stronger is None else merge(rule, stronger)
    named = {"hostnames": [host]} if host != _ANY_HOST else {}
    return {**named, "rules": list(rules.values())}
