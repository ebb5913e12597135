"""Rules of MeshTrace's conf."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.json import Json, JsonObject
from ursa.model.validation.addresses import is_url, parse_url
from ursa.policies.core.checks import must_be_defined, must_not_be_empty, number_of, valid_port

_BODIES = {"Zipkin": "zipkin", "Datadog": "datadog", "OpenTelemetry": "openTelemetry"}
_NOT_FOR_AGENTS = ("opaque", "user", "path", "query")


def check_conf(field: str, conf: JsonObject) -> Iterator[Violation]:
    """Checks the conf; an empty list of backends is one that turns tracing off."""
    if "backends" not in conf:
        yield must_be_defined(f"{field}.backends")
    for index, backend in enumerate(conf.get("backends") or ()):
        yield from _check_backend(f"{field}.backends[{index}]", backend)
    for index, tag in enumerate(conf.get("tags") or ()):
        if not tag["name"]:
            yield must_not_be_empty(f"{field}.tags[{index}].name")
        if ("literal" in tag) == ("header" in tag):
            yield Violation(f"{field}.tags[{index}]", "tag must have only one type defined: header, literal")
    sampling = conf.get("sampling") or {}
    for name in ("client", "random", "overall"):
        yield from _check_share(f"{field}.sampling.{name}", sampling.get(name))


def _check_backend(field: str, backend: JsonObject) -> Iterator[Violation]:
    name = _BODIES[backend["type"]]
    body = backend.get(name)
    if body is None:
        yield must_be_defined(f"{field}.{name}")
    elif name == "zipkin":
        if not body["url"]:
            yield must_not_be_empty(f"{field}.zipkin.url")
        elif not is_url(body["url"]):
            yield Violation(f"{field}.zipkin.url", "must be a valid url")
    elif name == "datadog":
        yield from _check_agent(f"{field}.datadog.url", body["url"])


def _check_agent(field: str, text: str) -> Iterator[Violation]:
    """The agent's address in the form of a URL: nothing but scheme, host and port may be in it."""
    if not text:
        yield must_not_be_empty(field)
        return
    url = parse_url(text)
    if url is None:
        yield Violation(field, "must be a valid url")
        return
    if url.scheme != "http":
        yield Violation(field, "scheme must be http")
    if not url.port:
        yield Violation(field, "port must be defined")
    else:
        yield from valid_port(field, int(url.port))
    for name in _NOT_FOR_AGENTS:
        if getattr(url, name):
            yield Violation(field, f"{name} must not be defined")


def _check_share(field: str, value: Json) -> Iterator[Violation]:
    if value is None:
        return
    number = number_of(value)
    if number is None:
        yield Violation(field, "string is not a number")
    elif not 0 <= number <= 100:
        yield Violation(field, "must be between 0 and 100")
