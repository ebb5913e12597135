"""Reads what a user wants applied: files, folders, standard input, URLs; YAML or JSON, Universal or Kubernetes form."""

from __future__ import annotations

import http.client
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ursa.cli.failures import CommandFailed
from ursa.errors import BadRequest, system_reason

STDIN = "-"
URL_TIMEOUT = 10.0
"""Seconds."""

_SUFFIXES = (".yaml", ".yml", ".json")
_VARIABLE = re.compile(r"{{{?\s*&?\s*([\w.\-]+)\s*}?}}")


@dataclass(frozen=True, slots=True)
class Document:
    """One document and where it was read."""

    content: dict[str, Any]
    source: str


def read_documents(sources: Sequence[str], variables: Mapping[str, str]) -> list[Document]:
    """All documents of all sources, in order.

    Raises:
        CommandFailed: a source cannot be read, is not YAML, or uses a variable that has no value.
    """
    from ursa.model.documents import load_documents

    found: list[Document] = []
    for name, text in (pair for source in sources for pair in _texts(source)):
        try:
            found += [Document(content, name) for content in load_documents(render(text, variables))]
        except BadRequest as error:
            raise CommandFailed(f"{name}: {error}") from None
    return found


def render(text: str, variables: Mapping[str, str]) -> str:
    """The text with `{{ name }}` replaced as it is; nothing is touched when no variables are given."""
    if not variables:
        return text

    def value(match: re.Match[str]) -> str:
        try:
            return variables[match[1]]
        except KeyError:
            raise BadRequest(f"variable {match[1]} has no value, give one with -v {match[1]}=VALUE") from None

    return _VARIABLE.sub(value, text)


def parse_variables(given: Sequence[str]) -> dict[str, str]:
    """`k=v` arguments, or `k=v,k2=v2` as Kuma's tool takes them, as a mapping. Raises CommandFailed."""
    pairs = [part.partition("=") for argument in given for part in _separate(argument)]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise CommandFailed(f"{key}: a variable is given as NAME=VALUE")
    return {key: value for key, _, value in pairs}


def _separate(argument: str) -> Sequence[str]:
    """The pairs in one argument; a comma separates only where every part is a pair, otherwise it is part of a value."""
    parts = argument.split(",")
    return parts if all("=" in part for part in parts) else [argument]


def _texts(source: str) -> Iterator[tuple[str, str]]:
    if source == STDIN:
        yield "standard input", sys.stdin.read()
    elif source.startswith(("http://", "https://")):
        yield source, _download(source)
    else:
        for file in _files(Path(source)):
            try:
                yield str(file), file.read_text()
            except UnicodeDecodeError:
                raise CommandFailed(f"error while reading provided file: {file}: not a text in UTF-8") from None
            except OSError as error:
                reason = system_reason(error)
                raise CommandFailed(f"error while reading provided file: open {file}: {reason}") from None


def _files(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    return sorted(p for p in path.rglob("*") if p.suffix in _SUFFIXES and p.is_file())


def _download(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=URL_TIMEOUT) as response:
            text: str = response.read().decode()
    except UnicodeDecodeError:
        raise CommandFailed(f"error while reading {url}: not a text in UTF-8") from None
    except urllib.error.HTTPError as error:
        raise CommandFailed(f"error while reading {url}: the answer is {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        text = system_reason(reason) if isinstance(reason, OSError) else str(reason)
        raise CommandFailed(f"error while reading {url}: {text}") from None
    return text
