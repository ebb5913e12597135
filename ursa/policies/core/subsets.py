"""Rules over subsets of clients: what `from` items and old `to` items mean together.

Every item is an entry: a set of tags and a conf. What counts for a client is the merge of *all* entries whose tags it
carries, in list order; that is `SubsetRules.lookup`, linear in the entries, and the meaning everything else follows.

Kuma shows the same as a list of rules over disjoint combinations of tags, each with its merged conf. The list is
needed for Kuma's inspection API and its wire shape, but it can be exponential: n unrelated tags have 2^n combinations.
So it is made group by group, where a group is a maximal set of entries that one client could match together, and
given up beyond a budget of work that is linear in the entries. Invariants:

* within a group the combinations are disjoint and cover all clients, so at most one rule of a group fits a client;
* the group that holds all entries a client matches contains a rule with exactly the client's effective conf;
* beyond the budget, `rules` are the entries themselves, strongest first, each merged with the weaker entries that
  cover it. First match on that list is exact when the last entry decides the conf alone, as in permissions and faults.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ursa.model.json import JsonObject
from ursa.policies.core.groups import maximal_groups
from ursa.policies.core.policy import Effective, Origin, effective, stacked
from ursa.policies.core.subject import Tags

_FREE_WORK = 2048
_WORK_PER_ENTRY = 32
"""The budget of `maximal_groups`; what goes beyond it is shown in short form."""


class Tag(NamedTuple):
    """A condition on one tag of a client."""

    key: str
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One item: clients that carry all of `tags` get `conf`."""

    tags: Tags
    conf: JsonObject
    origin: Origin


@dataclass(frozen=True, slots=True)
class SubsetRule:
    """The conf of all clients that fulfil every condition; `entries` are the positions of what was merged.

    `group` numbers the group the rule belongs to; rules of different groups may overlap.
    """

    subset: tuple[Tag, ...]
    effective: Effective
    entries: tuple[int, ...]
    group: int

    def fits(self, tags: Tags) -> bool:
        """Whether a client with these tags fulfils the conditions."""
        return all(((tag.key, tag.value) in tags) is not tag.negated for tag in self.subset)


@dataclass(frozen=True, slots=True)
class SubsetRules:
    """Compiled entries.

    Attributes:
        entries: in ascending strength.
        rules: the rule list, strongest first.
        expanded: whether `rules` has Kuma's shape; otherwise it would have been too long.
        groups: for every group of an expanded list, the positions of its entries.
    """

    entries: tuple[Entry, ...] = ()
    rules: tuple[SubsetRule, ...] = ()
    expanded: bool = True
    groups: tuple[tuple[int, ...], ...] = ()

    def lookup(self, tags: Tags) -> Effective | None:
        """The effective conf of a client (or destination) with these tags, None when no entry applies."""
        return _merged(entry for entry in self.entries if entry.tags <= tags)


def compile_subsets(entries: Sequence[Entry], *, negations: bool = True) -> SubsetRules:
    """Builds the rules of entries given in ascending strength.

    Args:
        entries: the items.
        negations: False for destinations: when all entries use one tag at most, one rule per distinct subset will do.
    """
    kept = tuple(entries)
    if not negations and len({key for entry in kept for key, _ in entry.tags}) <= 1:
        return SubsetRules(kept, _by_strength(_one_per_subset(kept)))
    budget = _FREE_WORK + _WORK_PER_ENTRY * len(kept)
    groups = maximal_groups([entry.tags for entry in kept], budget=budget)
    if groups is None:
        return SubsetRules(kept, _condensed(kept), expanded=False)
    rules = [rule for number, group in enumerate(groups) for rule in _expand(kept, group, number)]
    return SubsetRules(kept, _by_strength(rules), groups=groups)


def _merged(entries: Iterable[Entry]) -> Effective | None:
    return effective((entry.origin, entry.conf) for entry in entries)


def _by_strength(rules: Sequence[SubsetRule]) -> tuple[SubsetRule, ...]:
    """More positive conditions first, otherwise as they come."""
    return tuple(sorted(rules, key=lambda rule: sum(1 for tag in rule.subset if not tag.negated), reverse=True))


def _expand(entries: Sequence[Entry], group: Sequence[int], number: int) -> Iterator[SubsetRule]:
    """One rule per combination of the group's tags that some entry applies to.

    Inside a group every key has one value, so a combination says for each key whether the client has it.
    """
    tags = sorted({tag for position in group for tag in entries[position].tags})
    needs = {position: sum(1 << tags.index(tag) for tag in entries[position].tags) for position in group}
    everything = (1 << len(tags)) - 1
    for absent in range(everything + 1):
        present = everything & ~absent
        found = tuple(position for position in group if not needs[position] & absent)
        merged = _merged([entries[position] for position in found])
        if merged is not None:
            subset = tuple(Tag(key, value, not present >> bit & 1) for bit, (key, value) in enumerate(tags))
            yield SubsetRule(subset, merged, found, number)


def _one_per_subset(entries: Sequence[Entry]) -> list[SubsetRule]:
    rules = []
    by_tags: dict[Tags, list[int]] = {}
    for position, entry in enumerate(entries):
        by_tags.setdefault(entry.tags, []).append(position)
    for tags, positions in by_tags.items():
        found = tuple(sorted({*positions, *by_tags.get(frozenset(), ())}))
        merged = _merged([entries[position] for position in found])
        if merged is not None:
            rules.append(SubsetRule(tuple(Tag(*tag) for tag in sorted(tags)), merged, found, 0))
    return rules


def _condensed(entries: Sequence[Entry]) -> tuple[SubsetRule, ...]:
    """One rule per distinct tags, at the place of its strongest entry, down to the strongest entry for everybody.

    What the weaker entries for everybody say is merged once and shared.
    """
    everyone: Effective | None = None
    of_everyone: list[int] = []
    found: dict[Tags, tuple[Effective, tuple[int, ...]]] = {}
    for position, entry in enumerate(entries):
        merged, positions = found.get(entry.tags, (everyone, tuple(of_everyone)))
        between = of_everyone[bisect_right(of_everyone, positions[-1]) :] if positions else ()
        for other in (*between, position):
            merged = stacked(merged, entries[other].origin, entries[other].conf)
            positions = (*positions, other)
        assert merged is not None
        found[entry.tags] = (merged, positions)
        if not entry.tags:
            everyone = merged
            of_everyone.append(position)
    by_strength = sorted(found.items(), key=lambda item: item[1][1][-1], reverse=True)
    last = next((n for n, (tags, _) in enumerate(by_strength) if not tags), len(by_strength))
    return tuple(
        SubsetRule(tuple(Tag(*tag) for tag in sorted(tags)), merged, positions, positions[-1])
        for tags, (merged, positions) in by_strength[: last + 1]
    )
