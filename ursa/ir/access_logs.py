"""What a proxy writes down of requests and connections, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

JsonLine: TypeAlias = tuple[tuple[str, "str | JsonLine"], ...]
"""An object in the order of its keys; values are texts or objects."""


@dataclass(frozen=True, slots=True)
class FileLog:
    """A line of text, or of JSON without a text, in a file or pipe; `omit_empty` leaves out what is not known."""

    path: str
    text: str = ""
    json: JsonLine = ()
    omit_empty: bool = False


@dataclass(frozen=True, slots=True)
class CollectorLog:
    """A record for a collector of OpenTelemetry; `body` is the JSON of a value in its terms, or any other text."""

    cluster: str
    body: str
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AccessLog:
    """A log of everything, or only of what takes the route that `route` identifies; empty for what takes none such."""

    sink: FileLog | CollectorLog
    route: str | None = None
