"""What operators may want otherwise in every engine that keeps things."""

from __future__ import annotations

from dataclasses import dataclass

from ursa.runtime.config.store import Store


@dataclass(frozen=True, slots=True)
class Tuning:
    """Sizes, with the defaults of the settings.

    Attributes:
        kept: changes kept for readers that were away.
        queue: writes that may wait.
        group: writes committed together, unless one request alone has more.
    """

    kept: int = 20_000
    queue: int = 4096
    group: int = 1000


USUAL = Tuning()
"""The sizes that nobody has changed."""


def tuning_of(settings: Store) -> Tuning:
    """The sizes that the settings name."""
    return Tuning(settings.kept_changes, settings.max_waiting_calls, settings.writes.group)
