"""How far each type got on a stream: the proof that a change arrived, and what status views show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Sent:
    """One type on the way to a peer.

    Attributes:
        sent: responses sent.
        acknowledged: responses the peer accepted.
        rejected: responses the peer refused, at least in part.
        sent_revision: revision of the view from which the newest response was made.
        acknowledged_revision: everything up to this revision has been answered.
        sent_at: when the newest response was sent, nanoseconds.
        answered_at: when the newest answer came, nanoseconds.
        error: the newest refusal, empty after an acceptance.
        withheld: wire names that are too large to be sent.
        refused: reason by wire name of what the peer does not take.
    """

    sent: int = 0
    acknowledged: int = 0
    rejected: int = 0
    sent_revision: int = 0
    acknowledged_revision: int = 0
    sent_at: int = 0
    answered_at: int = 0
    error: str = ""
    withheld: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)

    def note_sent(self, revision: int, now: int) -> None:
        """A response left."""
        self.sent, self.sent_revision, self.sent_at = self.sent + 1, revision, now

    def note_answer(self, error: str | None, now: int) -> None:
        """The peer answered; a refused resource counts as delivered, as everywhere in KDS."""
        self.answered_at, self.error = now, error or ""
        self.acknowledged_revision = self.sent_revision
        if error is None:
            self.acknowledged += 1
        else:
            self.rejected += 1


@dataclass(slots=True)
class Received:
    """One type on the way from a peer.

    Attributes:
        responses: responses applied.
        revision: of this control plane's store after the newest one.
        applied_at: when that was, nanoseconds.
        quarantined: resource → reason of every resource that could not be taken.
    """

    responses: int = 0
    revision: int = 0
    applied_at: int = 0
    quarantined: dict[str, str] = field(default_factory=dict)
