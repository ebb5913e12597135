"""Rules about which of the lists `to`, `from` and `rules` may stand together."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.json import JsonObject


def check_inbound_lists(spec: JsonObject) -> Iterator[Violation]:
    """For policies with all three lists: one of them must be there, and `rules` stands alone."""
    if not (spec.get("from") or spec.get("to") or spec.get("rules")):
        yield Violation("spec", "at least one of 'from', 'to' or 'rules' has to be defined")
    if spec.get("rules") and (spec.get("from") or spec.get("to")):
        yield Violation("spec", "fields 'to' and 'from' must be empty when 'rules' is defined")


def check_destinations(spec: JsonObject) -> Iterator[Violation]:
    """For policies with `to` only."""
    if not spec.get("to"):
        yield Violation("spec.to", "needs at least one item")
