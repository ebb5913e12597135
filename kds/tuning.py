"""Timers and sizes of one end of KDS, from its settings; both ends have the same ones under different keys."""

from __future__ import annotations

from dataclasses import dataclass, field

from kds.liveness import Limits
from kds.refusals import Pace
from ursa.runtime.config.multizone import MultizoneGlobalKds, MultizoneZoneKds


@dataclass(frozen=True, slots=True)
class Tuning:
    """What one end keeps to.

    Attributes:
        limits: of its streams.
        pace: at which refused resources are tried again.
        max_message: bytes of the largest message.
        chunk: bytes at which a difference is split.
    """

    limits: Limits = field(default_factory=Limits)
    pace: Pace = field(default_factory=Pace)
    max_message: int = 10 << 20
    chunk: int = 1 << 20


def tuning_of(kds: MultizoneGlobalKds | MultizoneZoneKds) -> Tuning:
    """The tuning that settings describe."""
    limits = Limits(kds.heartbeat_interval, kds.silence_timeout, kds.msg_send_timeout)
    return Tuning(limits, Pace(kds.nack_backoff, kds.nack_max_backoff), kds.max_msg_size, kds.chunk_size)
