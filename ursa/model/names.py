"""What a resource may be called."""

from __future__ import annotations

import re

from ursa.errors import Violation

MAX_NAME = 253
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_MESH = re.compile(r"[a-z0-9]([-_.a-z0-9]*[a-z0-9])?")
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")

INVALID = (
    "invalid characters. A lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
    "'-' or '.', and must start and end with an alphanumeric character"
)


def name_violations(field: str, name: str) -> list[Violation]:
    """Rules that a name breaks."""
    if not name:
        return [Violation(field, "cannot be empty")]
    if len(name) > MAX_NAME:
        return [Violation(field, "value length must less or equal 253")]
    return [] if _SUBDOMAIN.fullmatch(name) else [Violation(field, INVALID)]


def mesh_violations(name: str) -> list[Violation]:
    """Rules that the name of the mesh a resource belongs to breaks."""
    if not name:
        return [Violation("mesh", "cannot be empty")]
    if len(name) > MAX_NAME:
        return [Violation("mesh", "value length must less or equal 253")]
    if _MESH.fullmatch(name):
        return []
    return [
        Violation(
            "mesh", "invalid characters. Valid characters are numbers, lowercase latin letters and '-', '_' symbols."
        )
    ]


def is_dns_1035(name: str) -> bool:
    """Whether a name can be one DNS label."""
    return len(name) <= 63 and _DNS_1035.fullmatch(name) is not None
