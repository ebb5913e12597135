"""One named resource in the two forms in which it travels, made once and shared by all streams."""

from __future__ import annotations

from dataclasses import dataclass, field

import xxhash

from ursa.discovery import framing


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource as bytes. Equal name and version mean equal content.

    Attributes:
        name: what clients subscribe to.
        version: hash of the content, so that every control plane gives the same content the same version.
        any_framed: the `resources` field of a `DiscoveryResponse` that holds this resource.
        delta_head: what precedes `any_framed` in the `resources` field of a `DeltaDiscoveryResponse`. A delta
            `Resource` keeps its content in a field of the same number as the state-of-the-world response does, which
            is why one copy of the content serves both.
        digest: hash of name and version; sets add these up.
    """

    name: str
    version: str
    any_framed: bytes = field(compare=False, repr=False)
    delta_head: bytes = field(compare=False, repr=False)
    digest: int = field(compare=False, repr=False)

    @property
    def delta_framed(self) -> bytes:
        """The `resources` field of a `DeltaDiscoveryResponse` that holds this resource."""
        return self.delta_head + self.any_framed


def entry(type_url: str, name: str, body: bytes) -> Entry:
    """Frames the serialized message `body` of type `type_url`."""
    version = xxhash.xxh3_128_hexdigest(body)
    any_framed = framing.field(2, framing.field(1, type_url) + framing.field(2, body))
    own = framing.field(1, version) + framing.field(3, name)
    return Entry(
        name=name,
        version=version,
        any_framed=any_framed,
        delta_head=b"\x12" + framing.varint(len(own) + len(any_framed)) + own,
        digest=xxhash.xxh3_128_intdigest(f"{name}\0{version}".encode()),
    )
