"""Rules of ExternalServices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.validation.addresses import host_and_port, is_dns_name, is_ip
from ursa.model.validation.fields import PORT, protocol, tags
from ursa.model.validation.selectors import SERVICE
from ursa.model.validation.values import EMPTY, data_source

_ADDRESS = "networking.address"


def external_service_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with an ExternalService."""
    networking, values = resource.spec.get("networking"), resource.spec.get("tags", {})
    found: list[Violation] = []
    if networking is None:
        found.append(Violation("networking", "should have networking"))
    else:
        found += _address(networking.get("address", ""))
        found += _tls("networking.tls", networking.get("tls", {}))
    if SERVICE not in values:
        found.append(Violation("tags", f'mandatory tag "{SERVICE}" is missing'))
    found += protocol("tags", values)
    found += tags("tags", values)
    address = host_and_port((networking or {}).get("address", ""))
    if address is not None and values.get(SERVICE) == address[0]:
        found.append(Violation(f'tags["{SERVICE}"]', "cannot be the same as networking.address"))
    return found


def _address(text: str) -> Iterator[Violation]:
    if not text:
        yield Violation(_ADDRESS, "address can't be empty")
        return
    address = host_and_port(text)
    if address is None:
        yield Violation(_ADDRESS, "unable to parse address")
    host, port = address or ("", "")
    if not is_ip(host) and not is_dns_name(host):
        yield Violation(_ADDRESS, "address has to be a valid IP address or a domain name")
    if not port.isdecimal():
        yield Violation(_ADDRESS, "unable to parse port in address")
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        yield Violation(_ADDRESS, PORT)


def _tls(field: str, tls: JsonObject) -> Iterator[Violation]:
    if tls.get("serverName") == "":
        yield Violation(f"{field}.serverName", EMPTY)
    for name in ("caCert", "clientCert", "clientKey"):
        yield from data_source(f"{field}.{name}", tls.get(name))
