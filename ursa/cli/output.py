"""Tables, YAML and JSON on standard output."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from ursa.cli.fitting import GAP, fitting, terminal_width
from ursa.model.forms import META

TEXT = "tag:yaml.org,2002:str"
"""How YAML calls texts."""

_OTHERS = frozenset({"bool", "int", "float", "null", "timestamp"})
_LOOSE = re.compile(r"[yYnN]|[-+]?\d+(\.\d*)?[eE][-+]?\d+")
"""What other readers of YAML than ours take for a switch or a number."""


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Left-aligned columns, at least three spaces apart; the header comes even without rows.

    On a terminal that is too narrow some columns are left out, and named below.
    """
    found, width = [tuple(row) for row in rows], terminal_width()
    shown = range(len(header)) if width is None else fitting(header, found, width)
    lines = [[line[column] for column in shown] for line in (tuple(header), *found)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        print_row(line, widths)
    if left_out := [title for column, title in enumerate(header) if column not in shown]:
        click.echo(f"\nThe terminal is too narrow for: {', '.join(left_out)}")


def print_row(cells: Sequence[str], widths: Sequence[int]) -> None:
    """One line of a table whose columns have these widths; what is wider pushes the rest to the right."""
    click.echo(GAP.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def print_document(document: Any, output: str, *, separate: bool = False) -> None:
    """One document as `yaml` or `json`; `separate` if more may follow."""
    if output == "json":
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.echo(("---\n" if separate else "") + yaml_of(document), nl=False)


def yaml_of(document: Any) -> str:
    """A document as YAML, in Kuma's order: keys sorted, those of a flat object's spec after those of every object."""
    if isinstance(document, dict) and "type" in document and "spec" not in document:
        meta = {key: value for key, value in document.items() if key in META}
        rest = {key: value for key, value in document.items() if key not in META}
        return _dump(meta) + (_dump(rest) if rest else "")
    return _dump(document)


def _dump(document: Any) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes texts that could be read as something else twice, and prints texts of several lines as they are."""

    def text(dumper: Dumper, value: str) -> yaml.ScalarNode:
        read_as = dumper.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
        other = read_as.rpartition(":")[2] in _OTHERS or _LOOSE.fullmatch(value)
        style = "|" if "\n" in value else '"' if other else None
        return dumper.represent_scalar(TEXT, value, style=style)

    Dumper.add_representer(str, text)
    Dumper.ignore_aliases = lambda *_: True  # type: ignore[method-assign]
    return str(yaml.dump(document, Dumper=Dumper, sort_keys=True, allow_unicode=True, width=sys.maxsize))
