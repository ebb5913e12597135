"""Shows the effective configuration to people: what is set, by which variable it could be, and what it means."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

import orjson

from ursa.errors import ConfigError
from ursa.runtime.config import Settings, describe


def lines(settings: Settings, prefix: str) -> Iterator[str]:
    """One line per setting below `prefix`, a star where it differs from the default.

    Raises:
        ConfigError: there is no setting below `prefix`.
    """
    settings_below = [setting for setting in describe() if setting.key.startswith(prefix)]
    if not settings_below:
        near = difflib.get_close_matches(prefix, [setting.key for setting in describe()], 1)
        raise ConfigError(f"no setting begins with {prefix}" + (f", did you mean {near[0]}?" if near else ""))
    effective = settings.model_dump(mode="json", by_alias=True)
    default = Settings().model_dump(mode="json", by_alias=True)
    for setting in settings_below:
        value, usual = _at(effective, setting.key), _at(default, setting.key)
        mark = " " if value == usual else "*"
        variable = f"URSA_{setting.variable}" if setting.variable else "(file only)"
        meaning = f"  # {setting.field.description}" if setting.field.description else ""
        yield f"{mark} {setting.key} = {orjson.dumps(value).decode()}  [{variable}]{meaning}"


def _at(document: object, key: str) -> object:
    for part in key.split("."):
        document = document[part] if isinstance(document, dict) else None
    return document
