"""What a peer may make us do for nothing.

Some frames cost their sender next to nothing and us some work or an answer: pings, settings, resets of streams just
opened, empty DATA, priorities, updates of windows. They are paid from a budget that refills with time and with what we
send, because whoever gets data has reason to answer it.
"""

from __future__ import annotations

from dataclasses import dataclass

from zone_cp.dp_server.http2.frames import Kind

PRICES: dict[int, int] = {
    Kind.SETTINGS: 10,
    Kind.RST_STREAM: 5,
    Kind.PING: 1,
    Kind.PRIORITY: 1,
    Kind.WINDOW_UPDATE: 1,
    Kind.CONTINUATION: 1,
    Kind.DATA: 1,
}
"""Of every frame of its kind; of DATA only for frames without content. Unknown kinds cost one."""

EARNED = 4
"""What a DATA frame of ours brings: two updates of windows, an acknowledgement, and a ping that measures bandwidth."""


@dataclass(slots=True)
class Budget:
    """A token bucket.

    Attributes:
        size: what it holds at most.
        refill: what a second brings.
    """

    size: float = 1_000.0
    refill: float = 100.0
    _left: float = 0.0
    _at: float = 0.0

    def __post_init__(self) -> None:
        self._left = self.size

    def spend(self, kind: int, now: float) -> bool:
        """Pays for a frame; False if that is too much."""
        if now > self._at:
            self._left = min(self.size, self._left + (now - self._at) * self.refill)
            self._at = now
        self._left -= PRICES.get(kind, 1)
        return self._left >= 0

    def earn(self) -> None:
        """A DATA frame was sent."""
        self._left = min(self.size, self._left + EARNED)
