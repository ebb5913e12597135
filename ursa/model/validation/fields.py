"""Rules that several kinds share: ports, addresses, tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ursa.errors import Violation
from ursa.model.validation.addresses import is_ip

PORT = "port must be in the range [1, 65535]"
PROTOCOLS = ("grpc", "http", "http2", "kafka", "tcp")
_HOST = re.compile(r"([A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?)*\.?")
_TAG_NAME = re.compile(r"[a-zA-Z0-9./_:-]*")
_TAG_VALUE = re.compile(r"[a-zA-Z0-9._:-]*")


def is_tag_name(text: str) -> bool:
    """Whether a text can be the name of a tag."""
    return bool(text) and _TAG_NAME.fullmatch(text) is not None


def port(field: str, value: object) -> Iterator[Violation]:
    """A port that must be there."""
    if not isinstance(value, int) or not 1 <= value <= 65535:
        yield Violation(field, PORT)


def address(field: str, value: str) -> Iterator[Violation]:
    """An address to bind: an IP or a domain name, not any-address."""
    if not value:
        yield Violation(field, "address can't be empty")
    elif value in ("0.0.0.0", "::"):
        yield Violation(field, "must not be 0.0.0.0 or ::")
    elif not is_ip(value) and not _HOST.fullmatch(value):
        yield Violation(field, "address has to be valid IP address or domain name")


def tags(field: str, values: Mapping[str, str]) -> Iterator[Violation]:
    """Names and values of tags of a proxy."""
    for key in sorted(values):
        value, place = values[key], f'{field}["{key}"]'
        if not key:
            yield Violation(field, "tag name must be non-empty")
        if not _TAG_NAME.fullmatch(key):
            yield Violation(
                place, "tag name must consist of alphanumeric characters, dots, dashes, slashes and underscores"
            )
        if not value:
            yield Violation(place, "tag value must be non-empty")
        if not _TAG_VALUE.fullmatch(value):
            yield Violation(place, "tag value must consist of alphanumeric characters, dots, dashes and underscores")


def protocol(field: str, values: Mapping[str, str]) -> Iterator[Violation]:
    """The protocol tag, where there is one."""
    value = values.get("kuma.io/protocol")
    if value is None:
        return
    if value.lower() not in PROTOCOLS:
        yield Violation(
            f'{field}["kuma.io/protocol"]',
            f'tag "kuma.io/protocol" has an invalid value "{value}". Allowed values: {", ".join(PROTOCOLS)}',
        )
