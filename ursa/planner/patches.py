"""What is changed by hand in the configuration of a proxy; proxies with the same policies share it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from ursa.ir.modifications import Patches
from ursa.planner.memo import Memo
from ursa.planner.meshes import MeshState
from ursa.policies.core.policy import Policy
from ursa.policies.legacy import proxy_template
from ursa.policies.legacy.matching import ConnectionPolicy, Tags, for_proxy
from ursa.policies.mesh_proxy_patch.effect import modifications

REMEMBERED = 256
"""Combinations of policies; one that was dropped is read again, nothing worse."""

_Key = tuple[tuple[Policy, ...], ConnectionPolicy | None]


class PatchIndex:
    """Remembers what policies say, since reading patches costs more than finding them."""

    def __init__(self) -> None:
        self._patches: Memo[_Key, Patches] = Memo(_patches, size=REMEMBERED)

    def of(self, state: MeshState, tag_sets: Sequence[Tags], policies: tuple[Policy, ...]) -> Patches | None:
        """The patches for a proxy, None when nothing is changed.

        Args:
            state: its mesh.
            tag_sets: its tags, by which templates select it.
            policies: MeshProxyPatches that select it, in ascending strength.

        Raises:
            InvalidResource: what a policy says cannot be read; it names the policy.
        """
        template = for_proxy(state.legacy.get(proxy_template.KIND, ()), tag_sets)
        return self._patches((policies, template)) if policies or template is not None else None


def _patches(key: _Key) -> Patches:
    """A template has the last word, whatever policies of the new generation say."""
    policies, template = key
    if template is None:
        return Patches(None, (), tuple(modifications(policies)))
    return Patches(
        proxy_template.profiles(template),
        tuple(proxy_template.raw_resources(template)),
        tuple(chain(modifications(policies), proxy_template.modifications(template))),
    )
