"""What a zone tells its global about a revision: how many of its proxies it concerns, and how many have it.

Reports travel upwards like resources of a type of their own, so that the newest one wins and nothing is sent twice.
Only a global that asks for the type gets them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from kds.wire import Item
from ursa.errors import ProtocolError

REPORT = "ursa.Rollout"
"""The type; a resource's name is the revision of the global that it is about."""


@dataclass(frozen=True, slots=True)
class Report:
    """One revision in one zone.

    Attributes:
        revision: of the global.
        stored_at: when the zone stored it, nanoseconds.
        affected: proxies whose configuration it changed.
        acknowledged: those of them that have taken it over.
        rejected: those that refused it.
        planned: whether all proxies it concerns have been found.
        reasons: why it was refused, each text once.
    """

    revision: int
    stored_at: int
    affected: int = 0
    acknowledged: int = 0
    rejected: int = 0
    planned: bool = False
    reasons: tuple[str, ...] = field(default_factory=tuple)

    @property
    def complete(self) -> bool:
        """Whether every proxy has it."""
        return self.planned and self.acknowledged >= self.affected


def encode_report(report: Report) -> bytes:
    """A report as bytes."""
    return orjson.dumps(
        {
            "revision": report.revision,
            "storedAt": report.stored_at,
            "affected": report.affected,
            "acknowledged": report.acknowledged,
            "rejected": report.rejected,
            "planned": report.planned,
            "reasons": report.reasons,
        }
    )


def decode_report(item: Item) -> Report:
    """The report in an item of a response; raises ProtocolError."""
    try:
        document = orjson.loads(item.envelope)
        return Report(
            int(document["revision"]),
            int(document["storedAt"]),
            int(document["affected"]),
            int(document["acknowledged"]),
            int(document["rejected"]),
            bool(document["planned"]),
            tuple(map(str, document["reasons"])),
        )
    except (ValueError, LookupError, TypeError) as error:
        raise ProtocolError(f"not a rollout report: {error}") from None


def revision_of(stamp: str) -> int:
    """The revision in a stamp `<epoch>@<revision>`, 0 when there is none."""
    _, _, revision = stamp.rpartition("@")
    return int(revision) if revision.isdigit() else 0
