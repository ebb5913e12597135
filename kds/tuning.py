"""Timers and sizes of one end of KDS, from its settings; both ends have the same ones under different keys."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kds.liveness import Limits
from kds.refusals import Pace
from kds.transport import Keepalive
from ursa.runtime.config import Settings
from ursa.runtime.config.multizone import MultizoneGlobalKds, MultizoneZoneKds


@dataclass(frozen=True, slots=True)
class Tuning:
    """What one end keeps to.

    Attributes:
        limits: of its streams.
        pace: at which refused resources are tried again.
        max_message: bytes of the largest message.
        chunk: bytes at which a difference is split.
        attempts: how often a write is tried against concurrent writers.
        remembered: responses per type whose revisions are remembered.
        keepalive: of its connections.
        interval: seconds between two responses of a type, at least.
    """

    limits: Limits = field(default_factory=Limits)
    pace: Pace = field(default_factory=Pace)
    max_message: int = 10 << 20
    chunk: int = 1 << 20
    attempts: int = 10
    remembered: int = 200
    keepalive: Keepalive = field(default_factory=Keepalive)
    interval: float = 0.0


def global_tuning(settings: Settings) -> Tuning:
    """The tuning of a global."""
    kds, kept = settings.multizone.global_.kds, settings.multizone.global_.rollouts.kept
    return replace(_tuning(kds, settings, remembered=kept), interval=kds.send_interval)


def zone_tuning(settings: Settings) -> Tuning:
    """The tuning of a zone."""
    return _tuning(settings.multizone.zone.kds, settings, remembered=0)


def keepalive_of(kds: MultizoneGlobalKds | MultizoneZoneKds) -> Keepalive:
    """How the connections of one end are probed."""
    return Keepalive(kds.keepalive_interval, kds.keepalive_timeout)


def _tuning(kds: MultizoneGlobalKds | MultizoneZoneKds, settings: Settings, *, remembered: int) -> Tuning:
    limits = Limits(kds.heartbeat_interval, kds.silence_timeout, kds.msg_send_timeout, kds.response_backoff)
    pace, attempts = Pace(kds.nack_backoff, kds.nack_max_backoff), settings.store.upsert.conflict_retry_max_times
    return Tuning(limits, pace, kds.max_msg_size, kds.chunk_size, attempts, remembered, keepalive_of(kds))
