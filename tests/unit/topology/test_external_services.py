"""ExternalServices: the TLS they ask for, and the addresses under which they and their hosts are known."""

from __future__ import annotations

from typing import Any

import pytest

from ursa.errors import NotFound
from ursa.ir.cluster import Endpoint
from ursa.ir.tls import ExternalTls, InlineCertificate, InlineValidation, SanMatcher, TlsMatch
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.topology.available import external_services
from ursa.topology.external_services import parse_external_service, tls_matches
from ursa.topology.vips import allocate, entries, table_vips

CIDR = "240.0.0.0/4"


def external(name: str = "one", address: str = "example.com:443", **networking: Any) -> Resource:
    """An ExternalService `outside` at an address."""
    tags = {"kuma.io/service": "outside", "kuma.io/protocol": "http"}
    return Resource(
        "ExternalService", "default", name, {"tags": tags, "networking": {"address": address, **networking}}
    )


def inline(source: JsonObject) -> bytes:
    """Reads inline texts only."""
    if "inlineString" not in source:
        raise NotFound("nothing else is known")
    return str(source["inlineString"]).encode()


def tls_of(address: str = "example.com:443", **tls: Any) -> ExternalTls:
    """The TLS of an ExternalService."""
    found = parse_external_service(external(address=address, tls={"enabled": True, **tls}), inline).tls
    assert found is not None
    return found


def test_without_tls_its_endpoint_carries_the_declared_tags() -> None:
    service = parse_external_service(external(address="10.0.0.1:80"), inline)
    assert (service.host, service.port, service.service, service.protocol) == ("10.0.0.1", 80, "outside", "http")
    assert service.tls is None
    assert "kuma.io/external-service-name" not in service.endpoint_tags


def test_tls_that_is_not_enabled_is_none() -> None:
    service = parse_external_service(external(tls={"caCert": {"inlineString": "CA"}}), inline)
    assert service.tls is None


def test_the_server_is_asked_and_checked_by_its_host() -> None:
    tls = tls_of(caCert={"inlineString": "CA"})
    sans = (SanMatcher("example.com", type="DNS"), SanMatcher("example.com", type="IP_ADDRESS"))
    assert tls == ExternalTls("example.com", InlineValidation(b"CA", sans))


def test_a_server_name_counts_more_than_the_host() -> None:
    tls = tls_of(caCert={"inlineString": "CA"}, serverName="other.example")
    assert tls.sni == "other.example"
    assert tls.validation is not None
    assert {san.value for san in tls.validation.sans} == {"other.example"}


def test_an_address_is_no_server_name_but_what_the_certificate_must_be_for() -> None:
    tls = tls_of("10.0.0.1:443", caCert={"inlineString": "CA"})
    assert tls.sni == ""
    assert tls.validation is not None
    assert {san.value for san in tls.validation.sans} == {"10.0.0.1"}


def test_names_are_not_checked_when_that_is_skipped() -> None:
    tls = tls_of(caCert={"inlineString": "CA"}, skipHostnameVerification=True)
    assert tls.validation == InlineValidation(b"CA")


def test_the_client_shows_its_certificate_only_with_its_key() -> None:
    pair = {"clientCert": {"inlineString": "CERT"}, "clientKey": {"inlineString": "KEY"}}
    assert tls_of(**pair).certificate == InlineCertificate(b"CERT", b"KEY")
    assert tls_of(clientCert=pair["clientCert"]).certificate is None
    assert "KEY" not in repr(tls_of(**pair))


def test_a_certificate_that_is_not_there_is_an_error_and_never_unchecked_tls() -> None:
    with pytest.raises(NotFound):
        tls_of(caCert={"secret": "missing"})


def test_endpoints_find_their_tls_by_their_tags() -> None:
    plain = parse_external_service(external("plain", "10.0.0.1:80"), inline)
    secure = parse_external_service(external("secure", tls={"enabled": True}), inline)
    assert secure.tls is not None
    endpoints = [(one, Endpoint(one.host, one.port, tags=dict(one.endpoint_tags))) for one in (plain, secure)]
    tags = tuple(sorted(secure.endpoint_tags.items()))
    assert tls_matches(endpoints) == (TlsMatch("example.com", tags, secure.tls),)


def addresses(*resources: Resource, services: tuple[str, ...] = ()) -> set[tuple[str, str, int, tuple[str, ...]]]:
    """What listens at virtual addresses: service, address, port, names."""
    table = allocate(entries(services, resources), {}, CIDR)
    return {(vip.service, vip.address, vip.port, vip.hostnames) for vip in table_vips(table, "mesh", 80)}


def test_a_service_and_its_host_listen_at_its_port_and_at_the_port_of_all_services() -> None:
    assert addresses(external()) == {
        ("outside", "240.0.0.0", 443, ("outside.mesh",)),
        ("outside", "240.0.0.0", 80, ("outside.mesh",)),
        ("outside", "240.0.0.1", 443, ("example.com",)),
        ("outside", "240.0.0.1", 80, ("example.com",)),
    }


def test_a_host_can_be_left_out() -> None:
    found = addresses(external(disableHostDNSEntry=True))
    assert {names for *_, names in found} == {("outside.mesh",)}


def test_a_host_with_several_ports_has_one_address() -> None:
    found = addresses(external("a"), external("b", "example.com:8443"))
    assert {(address, port) for _, address, port, names in found if names == ("example.com",)} == {
        ("240.0.0.1", 443),
        ("240.0.0.1", 8443),
        ("240.0.0.1", 80),
    }


def test_addresses_stay_when_others_come_and_go() -> None:
    first = allocate(entries(["web"], [external()]), {}, CIDR)
    without = allocate(entries(["web"], []), first, CIDR)
    assert set(without) == {"0:web"}
    assert without["0:web"] == first["0:web"]
    again = allocate(entries(["api", "web"], [external()]), without, CIDR)
    assert again["0:web"]["address"] == first["0:web"]["address"]
    assert len({entry["address"] for entry in again.values()}) == 4


def test_entries_of_other_origins_are_kept() -> None:
    other = {"2:db.mesh": {"address": "240.0.0.0", "outbounds": []}}
    table = allocate(entries(["web"], []), other, CIDR)
    assert table["2:db.mesh"] == other["2:db.mesh"]
    assert table["0:web"]["address"] == "240.0.0.1"


def test_what_only_this_zone_reaches_is_offered_to_others() -> None:
    def tagged(name: str, zone: str, mesh: str = "default") -> Resource:
        resource = external(name)
        tags = {**resource.spec["tags"], "kuma.io/zone": zone}
        return Resource("ExternalService", mesh, name, {**resource.spec, "tags": tags})

    everything = [
        external(),
        tagged("a", "east"),
        tagged("b", "east"),
        tagged("c", "west"),
        tagged("d", "east", "other"),
    ]
    (offer,) = external_services(everything, {"default"}, "east")
    tags = {"kuma.io/service": "outside", "kuma.io/protocol": "http", "kuma.io/zone": "east"}
    assert offer == {"tags": tags, "instances": 2, "mesh": "default", "externalService": True}
