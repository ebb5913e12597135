"""Names of objects that crossed KDS: the author's name plus a suffix that tells meshes, zones and namespaces apart.

Pure function of mesh, display name and two labels (`spec/kds.md` §5.2); both ends and the API compute it alike.
"""

from __future__ import annotations

from collections.abc import Mapping

from ursa.model.labels import DISPLAY_NAME, NAMESPACE, ZONE

OFFSET = 0xCBF29CE484222325
PRIME = 0x100000001B3
MASK = (1 << 64) - 1
"""FNV-1a with 64 bits."""

ALPHABET = "456789bcdfvwxz24"
"""What a hex digit becomes: no vowels, and (as Kuma has it) the same character for 0 and f."""

MAX_DISPLAY = 236
"""Characters of the display name that are kept, so that the whole fits 253."""


def fnv1a(data: bytes) -> int:
    """FNV-1a, 64 bits."""
    value = OFFSET
    for byte in data:
        value = (value ^ byte) * PRIME & MASK
    return value


def hashed_name(mesh: str, name: str, labels: Mapping[str, str]) -> str:
    """The synced name of an object with this mesh, current name and labels."""
    display = labels.get(DISPLAY_NAME) or name
    text = mesh + display + labels.get(ZONE, "") + labels.get(NAMESPACE, "")
    suffix = "".join(ALPHABET[int(digit, 16)] for digit in f"{fnv1a(text.encode()):016x}")
    return f"{display[:MAX_DISPLAY]}-{suffix}"
