"""Why a connection could not be made, in the words of those who must mend it.

gRPC wraps the one interesting word into the layers through which it came, and knows nothing of our settings.
"""

from __future__ import annotations

import re

_WRAPPING = re.compile(r"^failed to connect to all addresses; last error: [A-Z_]+: (?:ipv[46]:|unix:)?")
"""What grpcio puts before the address and the cause."""

_CAUSES = (
    (
        re.compile(r"CERTIFICATE_VERIFY_FAILED: (?P<cause>[^:]+)"),
        "the certificate is not trusted ({cause}): is multizone.zone.kds.rootCaFile the authority that signed it?",
    ),
    (
        re.compile(r"Hostname Verification Check failed"),
        "the certificate is for another name than that of multizone.zone.globalAddress",
    ),
    (
        re.compile(r"WRONG_VERSION_NUMBER"),
        "there is no TLS at this port: is it the KDS port, and should the address begin with grpc://?",
    ),
    (
        re.compile(r"Failed to create security handshaker"),
        "there is no certificate in the file of multizone.zone.kds.rootCaFile",
    ),
    (
        re.compile(r"Socket closed"),
        "the connection was closed: is it the KDS port, and should the address begin with grpcs://?",
    ),
)
"""How causes look in gRPC's texts, and what to say instead."""


def readable(details: str) -> str:
    """The cause in a failure's details; a failure that is not known stays as gRPC told it, without the wrapping."""
    wrapped = _WRAPPING.match(details)
    if wrapped is None:
        return details
    told = details[wrapped.end() :]
    address, _, rest = told.partition(": ")
    for pattern, text in _CAUSES:
        if found := pattern.search(rest):
            return f"{address}: {text.format(**found.groupdict())}"
    return f"{address}: {rest[:1].lower()}{rest[1:]}"
