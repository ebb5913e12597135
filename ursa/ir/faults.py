"""Faults that a proxy makes on purpose, and rates it keeps to."""

from __future__ import annotations

from dataclasses import dataclass

from ursa.ir.fractions import Fraction
from ursa.ir.routes import HeaderMatcher


@dataclass(frozen=True, slots=True)
class Abort:
    """A share of the requests is answered with a status at once."""

    status: int
    share: Fraction


@dataclass(frozen=True, slots=True)
class Delay:
    """A share of the requests has to wait."""

    duration: int
    share: Fraction


@dataclass(frozen=True, slots=True)
class SlowResponse:
    """A share of the responses is slowed down to some kilobits per second."""

    kbps: int
    share: Fraction


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to requests that fulfil all conditions on their headers."""

    abort: Abort | None = None
    delay: Delay | None = None
    slow_response: SlowResponse | None = None
    headers: tuple[HeaderMatcher, ...] = ()
