"""VirtualOutbounds: further names for instances, made of their tags (`spec/policies-legacy.md` §3.11).

Instances that a selector matches get a name and a port, made by two templates. What listens there leads to all
instances with the same values of those tags that the templates were given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ursa.errors import BadRequest
from ursa.model.go_templates import Part, parse, render
from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.model.resource import Resource
from ursa.model.validation.addresses import is_dns_name
from ursa.policies.legacy.matching import ConnectionPolicy, Tags, best_rank, parse_connection_policy

KIND = "VirtualOutbound"

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """A name and a port with the tags of what they lead to.

    Attributes:
        policy: name of the VirtualOutbound.
    """

    host: str
    port: int
    tags: Mapping[str, str]
    policy: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """A VirtualOutbound, read.

    Attributes:
        keys: of the tags that the templates are given, by parameter.
    """

    policy: ConnectionPolicy
    host: tuple[Part, ...]
    port: tuple[Part, ...]
    keys: Mapping[str, str]

    def of(self, tags: Tags) -> VirtualHost | None:
        """What it makes of instances with these tags; None when that is no name or no port."""
        values = {name: tags.get(key, "") for name, key in self.keys.items()}
        host, port = (render(template, values, absent="") for template in (self.host, self.port))
        told = {key: tags[key] for key in self.keys.values() if key in tags}
        if SERVICE_TAG not in told or not is_dns_name(host) or not port.isdecimal() or not 1 <= int(port) <= 65535:
            return None
        return VirtualHost(host, int(port), told, self.policy.name)


def virtual_hosts(policies: Iterable[Resource], instances: Iterable[Pairs]) -> Iterator[VirtualHost]:
    """All names that VirtualOutbounds give, each port of each once.

    What is selected most specifically has a name first, then what the youngest policy says.

    Args:
        policies: the VirtualOutbounds of a mesh.
        instances: the tags of all instances in the mesh, sorted by key.
    """
    rules = [rule for policy in policies if (rule := _read(policy)) is not None]
    found = []
    for pairs in sorted(set(instances)) if rules else ():
        tags = dict(pairs)
        for rule in rules:
            rank = best_rank(rule.policy.selectors, (tags,))
            if rank is not None and (host := rule.of(tags)) is not None:
                more, exact = rank.strength
                created, name = rule.policy.resource.created, rule.policy.name
                found.append(((-more, -exact, -created, name), host))
    taken: set[tuple[str, int]] = set()
    for _, host in sorted(found, key=lambda one: one[0]):
        if (host.host, host.port) not in taken:
            taken.add((host.host, host.port))
            yield host


def _read(resource: Resource) -> _Rule | None:
    conf: JsonObject = resource.spec.get("conf") or {}
    keys = {one.get("name", ""): one.get("tagKey") or one.get("name", "") for one in conf.get("parameters") or ()}
    try:
        host, port = parse(conf.get("host", "")), parse(conf.get("port", ""))
    except BadRequest:
        # Refused when it is written here; an older peer may have let it pass.
        return None
    return _Rule(parse_connection_policy(resource), host, port, keys)
