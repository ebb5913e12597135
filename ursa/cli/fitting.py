"""Makes a table fit a terminal: a line that goes on in the next one is one nobody reads.

Columns that say nothing go first, then those that take more than a third of a line, then others from the right; never
those that tell what a line is about and how that is. Only people at terminals get less: pipes and files get everything.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

Line = Sequence[str]

GAP = "   "
KEPT = frozenset({"MESH", "NAME", "ZONE", "SERVICE", "STATUS", "DIRECTION", "TYPE", "STATE", "OTHER ZONE", "REASONS"})
NOTHING = frozenset({"", "-", "0", "never"})


def terminal_width() -> int | None:
    """Characters in a line of the terminal at standard output, None when there is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fitting(header: Line, rows: Sequence[Line], width: int) -> Sequence[int]:
    """The columns, by number, that fit in a line, or as few as must stay."""
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    shown = list(range(len(header)))
    optional = [column for column in shown if header[column] not in KEPT]
    empty = [column for column in optional if all(row[column] in NOTHING for row in rows)]
    large = [column for column in optional if widths[column] > width / 3]
    for column in dict.fromkeys((*reversed(empty), *large, *reversed(optional))):
        if sum(widths[one] for one in shown) + len(GAP) * (len(shown) - 1) <= width:
            break
        shown.remove(column)
    return shown
