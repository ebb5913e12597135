"""gRPC's headers on HTTP/2: what a request says about its call, and how a response says how it went. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from zone_cp.dp_server.calls import CallEnded, Status
from zone_cp.dp_server.http2.events import Headers
from zone_cp.dp_server.rpc.messages import ACCEPTED

CONTENT_TYPE = "application/grpc"

RESPONSE: Headers = [(b":status", b"200"), (b"content-type", b"application/grpc")]

PRINTABLE = "".join(chr(c) for c in range(0x20, 0x7F) if chr(c) != "%")
"""What stands for itself in the text of a status."""

SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request.

    Attributes:
        method: of HTTP.
        path: `/service/method`.
        authority: the host that was asked for.
        fields: everything else, names in lower case; of repeated ones the values with commas between.
    """

    method: str
    path: str
    authority: str
    fields: Mapping[str, str]

    @property
    def is_grpc(self) -> bool:
        """Whether this is a call."""
        content = self.fields.get("content-type", "")
        return content.startswith(CONTENT_TYPE) and content[len(CONTENT_TYPE) :][:1] in ("", "+", ";")

    @property
    def timeout(self) -> float | None:
        """Seconds that the caller gives; None for any number.

        Raises:
            CallEnded: it is not readable.
        """
        text = self.fields.get("grpc-timeout")
        if text is None:
            return None
        digits, unit = text[:-1], text[-1:]
        if unit not in SECONDS or not digits.isascii() or not digits.isdigit() or len(digits) > 8:
            raise CallEnded(Status.INTERNAL, f"malformed grpc-timeout: {text}")
        return int(digits) * SECONDS[unit]


def read_request(headers: Headers) -> Request:
    """The head of a request out of its headers."""
    pseudo: dict[bytes, str] = {}
    fields: dict[str, str] = {}
    for name, value in headers:
        text = value.decode("latin-1")
        if name.startswith(b":"):
            pseudo[name] = text
        else:
            key = name.decode("latin-1")
            fields[key] = f"{fields[key]},{text}" if key in fields else text
    authority = pseudo.get(b":authority", fields.get("host", ""))
    return Request(pseudo.get(b":method", ""), pseudo.get(b":path", ""), authority, fields)


def trailers(status: Status, text: str) -> Headers:
    """How a call ended."""
    ending: Headers = [(b"grpc-status", b"%d" % status)]
    if text:
        ending.append((b"grpc-message", quote(text, safe=PRINTABLE, errors="replace").encode()))
    if status is Status.UNIMPLEMENTED:
        ending.append((b"grpc-accept-encoding", ACCEPTED.encode()))
    return ending
