"""How a setting is declared: type, default, variable and meaning in one line, next to its neighbours in the tree.

Kuma's variables are not derivable from its keys (`KUMA_XDS_DATAPLANE_DEREGISTRATION_DELAY`), so each setting names its
own, without prefix: `KUMA_<name>` and `URSA_<name>` both set it. Documentation, `/config` and `config explain` are
generated from these declarations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from ursa.model.duration import format_go, parse_go

MASK = "*****"
NANOSECONDS = 1_000_000_000

FOLLOWED = "changes are followed as they come, nothing is polled"
"""Why an interval at which Kuma looks for changes means nothing here."""


def _seconds(value: object) -> object:
    """A duration in a file or variable: Go syntax, or a bare number of nanoseconds as Kuma reads it."""
    if isinstance(value, str):
        return parse_go(value) / NANOSECONDS
    if isinstance(value, int) and not isinstance(value, bool):
        return value / NANOSECONDS
    return value


def _list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _map(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return json.loads(value)
    return dict(part.split(":", 1) for part in value.split(",") if part.strip())


Duration: TypeAlias = Annotated[
    float,
    BeforeValidator(_seconds),
    PlainSerializer(lambda seconds: format_go(round(seconds * NANOSECONDS)), return_type=str),
]
"""Seconds. Written as `10s`, `1h30m`, `500ms`."""

StrList: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_list)]
"""Texts; comma-separated in variables."""

IntList: TypeAlias = Annotated[tuple[int, ...], BeforeValidator(_list)]
"""Whole numbers; comma-separated in variables."""

StrMap: TypeAlias = Annotated[Mapping[str, str], BeforeValidator(_map)]
"""Texts by name; `k:v,k2:v2` in variables."""

KeyList: TypeAlias = tuple[Mapping[str, str], ...]
"""Public keys `{kid, key | keyFile, mesh?}`; only in files."""

Secret: TypeAlias = Annotated[str, PlainSerializer(lambda value: MASK if value else "", return_type=str)]
"""A text that never leaves the process: masked wherever the configuration is shown."""


class Group(BaseModel):
    """A node of the configuration tree: immutable, keys in camelCase, unknown keys handled by the loader."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, validate_default=False
    )


def setting(
    default: Any, *, env: str = "", doc: str = "", key: str | None = None, also: str = "", inert: str = ""
) -> Any:
    """Declares one setting.

    Args:
        default: the built-in value (durations in seconds).
        env: name of its variable without prefix; empty when only files can set it.
        doc: what it means, with unit.
        key: its key in files where that is not the camelCase form of the attribute.
        also: another name of its variable, which Kuma's public documents give though Kuma does not read it.
        inert: why it changes nothing here; who sets it all the same is told.
    """
    meaning = f"no effect: {inert}" if inert else doc
    return Field(default, description=meaning, alias=key, json_schema_extra={"env": env, "also": also, "inert": inert})


def group(cls: type[Group], *, key: str | None = None) -> Any:
    """Declares a nested group with its own defaults."""
    return Field(default_factory=cls, alias=key)


def variable_of(field: FieldInfo) -> str:
    """The variable of a setting without prefix, empty when it has none."""
    extra = field.json_schema_extra
    return str(extra.get("env", "")) if isinstance(extra, dict) else ""


def inert_because(field: FieldInfo) -> str:
    """Why a setting changes nothing, empty when it does."""
    extra = field.json_schema_extra
    return str(extra.get("inert", "")) if isinstance(extra, dict) else ""


def other_variables_of(field: FieldInfo) -> tuple[str, ...]:
    """Other names of a setting's variable, without prefix."""
    extra = field.json_schema_extra
    also = str(extra.get("also", "")) if isinstance(extra, dict) else ""
    return (also,) if also else ()
