"""Whether MeshTrafficPermissions may let a client reach a destination of which only some tags are known.

Where a policy might select the destination, but its tags do not tell, everything that it might do counts: rather a way
too many than one too few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ursa.model.json import JsonObject
from ursa.policies.core.entries import tags_of
from ursa.policies.core.policy import Policy
from ursa.policies.core.subject import Tags
from ursa.policies.mesh_traffic_permission.effect import ALLOW, SHADOW_DENY


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a client at a destination.

    Attributes:
        permitted: whether it may be let in.
        certain: whether some policy selects the destination for sure, so that older permissions do not count.
    """

    permitted: bool
    certain: bool


def judge(
    policies: Iterable[Policy], client: Tags, identities: Sequence[str], destination: Mapping[str, str]
) -> Verdict:
    """Judges a client.

    Args:
        policies: the MeshTrafficPermissions that may count, in ascending strength.
        client: all tags of the client.
        identities: its SPIFFE IDs.
        destination: the known tags of the destination.
    """
    selecting = [(policy, sure) for policy in policies if (sure := _selects(policy, destination)) is not None]
    certain = any(sure for _, sure in selecting)
    ruled = [(policy, sure) for policy, sure in selecting if policy.has_rules]
    permitted = any(_allows(item.conf, identities) for policy, _ in ruled for item in policy.inbound_items)
    if not any(sure for _, sure in ruled):
        permitted = permitted or not {ALLOW, SHADOW_DENY}.isdisjoint(_actions(selecting, client))
    return Verdict(permitted, certain)


def _selects(policy: Policy, destination: Mapping[str, str]) -> bool | None:
    """Whether a policy selects the destination: None for no, True for sure."""
    needed = tags_of(policy.target)
    if needed is None:
        return False
    if any(destination.get(key, value) != value for key, value in needed):
        return None
    return all(key in destination for key, _ in needed) and not policy.target.proxy_types


def _actions(selecting: Iterable[tuple[Policy, bool]], client: Tags) -> set[str]:
    """What the `from` items may decide; the last one that is about the client does."""
    possible: set[str] = set()
    for policy, sure in selecting:
        for item in policy.from_items:
            clients = tags_of(item.target)
            if clients is not None and clients <= client:
                action = str(item.conf.get("action", ""))
                possible = {action} if sure else possible | {action}
    return possible


def _allows(conf: JsonObject, identities: Sequence[str]) -> bool:
    """Whether one of the identities may be allowed; of names in other trust domains nobody knows whose they are."""
    matches = [
        match["spiffeID"]
        for name in ("allow", "allowWithShadowDeny")
        for match in conf.get(name) or ()
        if match.get("spiffeID")
    ]
    domains = {_domain(one) for one in identities}
    return any(
        any(
            one.startswith(match["value"]) if match["type"] == "Prefix" else one == match["value"] for one in identities
        )
        or _domain(match["value"]) not in domains
        for match in matches
    )


def _domain(identity: str) -> str:
    """The trust domain of a SPIFFE ID."""
    return identity.removeprefix("spiffe://").partition("/")[0]
