"""Rules of MeshAccessLog's backends."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.validation.addresses import is_file_path, is_url
from ursa.policies.core.checks import must_be_defined, must_not_be_empty

_BODIES = {"File": "file", "Tcp": "tcp", "OpenTelemetry": "openTelemetry"}


def check_backends(field: str, conf: JsonObject) -> Iterator[Violation]:
    """Checks one conf; an empty list of backends is one that turns logging off."""
    if "backends" not in conf:
        yield must_be_defined(f"{field}.backends")
    for index, backend in enumerate(conf.get("backends") or ()):
        name = _BODIES[backend["type"]]
        body, place = backend.get(name), f"{field}.backends[{index}].{name}"
        if body is None:
            yield must_be_defined(place)
        elif name == "file":
            if not is_file_path(body["path"]):
                yield Violation(f"{place}.path", "file backend requires a valid path")
            yield from _check_format(f"{place}.format", body.get("format"))
        elif name == "tcp":
            if not is_url(body["address"]):
                yield Violation(f"{place}.address", "tcp backend requires valid address")
            yield from _check_format(f"{place}.format", body.get("format"))


def _check_format(field: str, form: JsonObject | None) -> Iterator[Violation]:
    if form is None:
        return
    name = form["type"].lower()
    value, field = form.get(name), f"{field}.{name}"
    if value is None:
        yield must_be_defined(field)
    elif not value:
        yield must_not_be_empty(field)
    elif name == "json":
        for index, entry in enumerate(value):
            yield from _check_entry(f"{field}[{index}]", entry)


def _check_entry(field: str, entry: JsonObject) -> Iterator[Violation]:
    for name in ("key", "value"):
        if not entry[name]:
            yield Violation(f"{field}.{name}", f"{name} cannot be empty")
    try:
        json.loads(f'{{"{entry["key"]}": "{entry["value"]}"}}')
    except ValueError:
        yield Violation(field, "is not a valid JSON object")
