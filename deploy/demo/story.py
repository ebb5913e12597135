"""The chapters of the demo: what happens next, what happens now, what came of it. The screen shows this value."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Chapter:
    """One line of the story.

    Attributes:
        title: what happens.
        note: how it goes, and in the end what came of it.
        begun: whether it has begun.
        over: whether it has ended well.
    """

    title: str
    note: str = ""
    begun: bool = False
    over: bool = False


@dataclass(slots=True)
class Story:
    """All chapters in order; `changed` is told about every new note."""

    changed: Callable[[Chapter], None]
    chapters: list[Chapter] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def plan(self, *titles: str) -> list[Chapter]:
        """Adds chapters, so that they can be seen coming."""
        added = [Chapter(title) for title in titles]
        self.chapters += added
        return added

    @contextmanager
    def tell(self, chapter: Chapter) -> Iterator[Callable[[str], None]]:
        """Marks a chapter as the present one; yields what writes its notes."""

        def note(text: str) -> None:
            chapter.note = text
            self.changed(chapter)

        chapter.begun = True
        yield note
        chapter.over = True
        self.changed(chapter)

    async def announce(self, chapter: Chapter, seconds: int) -> None:
        """Says that a chapter is about to begin, long enough to look up."""
        for left in range(seconds, 0, -1):
            chapter.note = f"in {left} s"
            if left == seconds:
                self.changed(chapter)
            await asyncio.sleep(1)
        chapter.note = ""
