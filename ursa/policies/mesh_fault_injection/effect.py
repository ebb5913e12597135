"""MeshFaultInjection: the proxy of the destination makes faults, for everybody or for some clients (`spec` §3.3).

`from` items know clients by the header in which their proxies say their tags; as soon as a `rules` policy selects an
inbound, `from` policies are ignored there, and clients are known by their certificates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ursa.ir.faults import Fault
from ursa.ir.listener import FilterChain, HttpConnectionManager, HttpFault
from ursa.ir.routes import HeaderMatcher
from ursa.ir.tls import SanMatcher
from ursa.model.duration import parse_go
from ursa.model.json import JsonObject
from ursa.policies.core.entries import client_entries
from ursa.policies.core.faults import fault
from ursa.policies.core.policy import Policy
from ursa.policies.core.source_tags import from_source, not_from
from ursa.policies.core.subsets import SubsetRule, SubsetRules, Tag, compile_subsets
from ursa.policies.plugin import DestinationRules, EgressTarget, InboundTarget, OutboundTarget, PolicyPlugin


class MeshFaultInjectionPlugin(PolicyPlugin):
    """Adds a filter per fault, where no FaultInjection did."""

    kind = "MeshFaultInjection"

    def inbound(self, target: InboundTarget, policies: tuple[Policy, ...]) -> None:
        _inject(target.listener.chains, policies)

    def external(self, target: EgressTarget, policies: tuple[Policy, ...]) -> None:
        _inject((target.chain,), policies)

    def gateway(self, target: OutboundTarget, rules: DestinationRules, policies: tuple[Policy, ...]) -> None:
        made = tuple(map(HttpFault, _faults(rules.conf(target) or {})))
        for chain in target.listener.chains:
            if (manager := chain.http) is not None and not _faulty(manager):
                manager.before_router(*made)


def faults(policies: Sequence[Policy]) -> Iterator[HttpFault]:
    """The filters of an inbound that these policies select, given in ascending strength."""
    ruled = [policy for policy in policies if policy.has_rules]
    if not ruled:
        yield from _by_tags(compile_subsets(client_entries(policies)))
    for policy in ruled:
        for item in policy.inbound_items:
            sans = tuple(
                SanMatcher(m["value"], prefix=m["type"] == "Prefix")
                for match in item.matches
                if (m := match.get("spiffeID"))
            )
            for made in _faults(item.conf):
                yield HttpFault(made, policy.kri, sans)


def _inject(chains: Iterable[FilterChain], policies: Sequence[Policy]) -> None:
    filters = tuple(faults(policies))
    for chain in chains:
        if (manager := chain.http) is not None and not _faulty(manager):
            manager.before_router(*filters)


def _faulty(manager: HttpConnectionManager) -> bool:
    return any(isinstance(f, HttpFault) for f in manager.http_filters)


def _by_tags(rules: SubsetRules) -> Iterator[HttpFault]:
    """One filter per fault of a rule; rules of a condensed list leave out the clients of stronger ones."""
    stronger: list[SubsetRule] = []
    for rule in rules.rules:
        headers = (*_headers(rule.subset), *(not_from(_tags(other.subset)) for other in stronger))
        for made in _faults(rule.effective.conf, headers):
            yield HttpFault(made)
        if not rules.expanded:
            stronger.append(rule)


def _headers(subset: Iterable[Tag]) -> tuple[HeaderMatcher, ...]:
    tags = tuple(subset)
    wanted = tuple(tag for tag in tags if not tag.negated)
    unwanted = tuple(not_from({tag.key: tag.value}) for tag in tags if tag.negated)
    return (from_source(_tags(wanted)), *unwanted) if wanted else unwanted


def _tags(subset: Iterable[Tag]) -> dict[str, str]:
    return {tag.key: tag.value for tag in subset}


def _faults(conf: JsonObject, headers: tuple[HeaderMatcher, ...] = ()) -> Iterator[Fault]:
    for entry in conf.get("http") or ():
        yield fault(entry, parse_go, headers)
