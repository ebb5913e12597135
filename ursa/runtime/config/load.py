"""Reads the configuration: defaults, then a YAML or JSON file, then variables; later wins.

Keys of files match without regard to case, as in Kuma. What Kuma ignores silently, an unknown key, is reported with the
nearest known one. `URSA_X` and `KUMA_X` set the same setting; `URSA_X` wins when both are there.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from ursa.errors import ConfigError
from ursa.model.documents import yaml_reason
from ursa.runtime.config.checks import CHOICES, problems
from ursa.runtime.config.setting import Group, inert_because, other_variables_of, variable_of
from ursa.runtime.config.tree import Settings
from ursa.runtime.config.variables import PREFIXES, unknown_variables


@dataclass(frozen=True, slots=True)
class Described:
    """One setting of the tree as documentation shows it."""

    key: str
    variable: str
    field: FieldInfo

    @property
    def variables(self) -> tuple[str, ...]:
        """All its variables without prefix: the one that is documented last, so that it wins over misspelt ones."""
        return (*other_variables_of(self.field), self.variable) if self.variable else ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """The effective settings and what a person should know about how they came to be."""

    settings: Settings
    warnings: tuple[str, ...]


def describe(group: type[Group] = Settings, prefix: str = "") -> Iterator[Described]:
    """Every setting of the tree, in order of declaration."""
    for name, field in group.model_fields.items():
        key = prefix + (field.alias or name)
        if (inner := _group_of(field)) is not None:
            yield from describe(inner, key + ".")
        else:
            yield Described(key, variable_of(field), field)


def load(file: str | None, environ: Mapping[str, str], overrides: Mapping[str, object] | None = None) -> Loaded:
    """The effective configuration.

    Args:
        file: path of a YAML or JSON file, or None.
        environ: the process environment.
        overrides: values by dotted key that win over everything (command-line shorthands).

    Raises:
        ConfigError: the file cannot be read, or a value is wrong; the text names it.
    """
    warnings: list[str] = []
    document = _read(file) if file else {}
    values = _known(document, Settings, "", warnings)
    settings_by_variable = {variable: d.key for d in describe() for variable in d.variables}
    for prefix in PREFIXES:
        for variable, key in settings_by_variable.items():
            if (text := environ.get(prefix + variable)) is not None:
                _put(values, key, text)
    warnings += unknown_variables(environ, settings_by_variable)
    for key, value in (overrides or {}).items():
        _put(values, key, value)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError("configuration validation failed: " + _explain(error, file)) from None
    if found := list(problems(settings)):
        raise ConfigError("configuration validation failed: " + "; ".join(found))
    warnings += _inert(settings)
    if settings.mode == "standalone":
        warnings.append("mode: standalone is an old word for zone without a global; it is treated as zone")
    return Loaded(settings, tuple(warnings))


def _inert(settings: Settings) -> Iterator[str]:
    """A text for each setting that was set although it changes nothing."""
    given = settings.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for setting in describe():
        if (reason := inert_because(setting.field)) and _has(given, setting.key):
            yield f"{setting.key} has no effect: {reason}"


def _has(document: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(document, dict) or part not in document:
            return False
        document = document[part]
    return True


def _read(file: str) -> dict[str, Any]:
    try:
        text = Path(file).read_text()
    except OSError:
        raise ConfigError(
            f"unable to access configuration file '{file}', "
            "please check if the file exists and has the correct permissions"
        ) from None
    try:
        document = yaml.load(text, Loader=yaml.CSafeLoader)  # noqa: TID251 - below ursa.model.documents' layer of meaning
    except yaml.YAMLError as error:
        raise ConfigError(f"parsing configuration from file '{file}' failed: {yaml_reason(error)}") from None
    if not isinstance(document, dict | None):
        raise ConfigError(f"parsing configuration from file '{file}' failed: a mapping is expected at the top")
    return document or {}


def _known(document: Mapping[str, Any], group: type[Group], path: str, warnings: list[str]) -> dict[str, Any]:
    """The part of a document that has a place in the tree, its keys in their proper case."""
    fields = {(f.alias or n).lower(): (f.alias or n, f) for n, f in group.model_fields.items()}
    known: dict[str, Any] = {}
    for raw, value in document.items():
        found = fields.get(str(raw).lower())
        if found is None:
            near = difflib.get_close_matches(str(raw).lower(), fields, 1)
            hint = f", did you mean {path}{fields[near[0]][0]}?" if near else ""
            warnings.append(f"unknown configuration key {path}{raw}{hint}")
            continue
        key, field = found
        inner = _group_of(field)
        if inner is not None and isinstance(value, Mapping):
            known[key] = _known(value, inner, f"{path}{key}.", warnings)
        elif value is not None or inner is None:
            known[key] = value
    return known


def _group_of(field: FieldInfo) -> type[Group] | None:
    annotation = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, Group) else None


def _put(values: dict[str, Any], key: str, value: object) -> None:
    *groups, last = key.split(".")
    for part in groups:
        values = values.setdefault(part, {})
    values[last] = value


def _explain(error: ValidationError, file: str | None) -> str:
    variables = {d.key: d.variable for d in describe()}
    texts = []
    for problem in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in problem["loc"])
        if key in CHOICES:
            texts.append(CHOICES[key])
            continue
        variable = f" (URSA_{variables[key]})" if variables.get(key) else ""
        texts.append(f"{key}{variable}: {problem['msg'].lower()}")
    return "; ".join(texts)
