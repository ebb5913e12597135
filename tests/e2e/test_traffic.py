"""Services reach each other through real proxies, with mutual TLS, and only where they are permitted to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from cryptography import x509

from deploy.demo import manifests
from deploy.demo.layout import INGRESS, INGRESS_PORT
from deploy.demo.waiting import until
from tests.e2e.lab import STRANGER, Lab

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

PATIENCE = 60.0
(MESH,) = (d for d in manifests.mesh() if d["type"] == "Mesh")
(PERMISSION,) = (d for d in manifests.mesh() if d["type"] == "MeshTrafficPermission")


async def test_an_http_service_is_called_over_mutual_tls(lab: Lab) -> None:
    answer = await lab.get("backend")
    assert (answer.status, answer.zone) == (200, "east")
    peer = answer.document["headers"]["x-forwarded-client-cert"]
    assert "URI=spiffe://default/web" in peer
    assert "kuma://" in peer


async def test_a_tcp_service_is_called_over_mutual_tls(lab: Lab) -> None:
    before = await lab.stats("backend-east", "ssl.handshake$")
    assert await lab.say(b"hello") == b"east:hello"
    after = await lab.stats("backend-east", "ssl.handshake$")
    assert sum(after.values()) > sum(before.values())


async def test_nobody_without_a_permission_gets_through(lab: Lab) -> None:
    await until("the stranger is refused", lambda: _status(lab, STRANGER, 403), PATIENCE)
    assert await lab.say(b"hello", STRANGER) == b""
    async with _permitted(lab, "stranger"):
        await until("the stranger is let in", lambda: _status(lab, STRANGER, 200), PATIENCE)
        assert await lab.say(b"hello", STRANGER) == b"east:hello"
        await until("web is refused", lambda: _status(lab, None, 403), PATIENCE)
    await until("web is let in again", lambda: _status(lab, None, 200), PATIENCE)


async def test_source_and_destination_permissions_work_where_no_new_ones_are(lab: Lab) -> None:
    legacy = {
        "type": "TrafficPermission",
        "mesh": "default",
        "name": "web-to-all",
        "sources": [{"match": {"kuma.io/service": "web"}}],
        "destinations": [{"match": {"kuma.io/service": "*"}}],
    }
    await lab.put(legacy)
    await lab.delete(PERMISSION)
    try:
        # It is enforced on connections, before HTTP begins: the caller's own proxy answers.
        await until("the stranger's connections are closed", lambda: _status(lab, STRANGER, 503), PATIENCE)
        assert (await lab.get("backend")).status == 200
        assert await lab.say(b"hello") == b"east:hello"
        assert await lab.say(b"hello", STRANGER) == b""
    finally:
        await lab.put(PERMISSION)
        await lab.delete(legacy)
    await until("the stranger is refused as before", lambda: _status(lab, STRANGER, 403), PATIENCE)


async def test_another_zone_is_reached_through_its_ingress_by_sni(lab: Lab) -> None:
    pattern = "cluster.default_archive.upstream_cx_total"
    before = await lab.stats("ingress-west", pattern)
    await until("the archive answers", lambda: _answered(lab, "archive", "west"), PATIENCE)
    after = await lab.stats("ingress-west", pattern)
    assert sum(after.values()) > sum(before.values())
    assert not sum((await lab.stats("egress-east", pattern)).values())
    peer = (await lab.get("archive")).document["headers"]["x-forwarded-client-cert"]
    assert "URI=spiffe://default/web" in peer  # TLS ends at the other workload's proxy, not on the way


async def test_an_ingress_knows_services_by_name_and_lets_nothing_else_through(lab: Lab) -> None:
    certificate = await _certificate_behind(lab, "archive{mesh=default}")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "spiffe://default/archive" in names.get_values_for_type(x509.UniformResourceIdentifier)
    with pytest.raises(ConnectionError):
        await _certificate_behind(lab, "web{mesh=other}")


async def test_a_mesh_may_send_what_leaves_the_zone_through_the_egress(lab: Lab) -> None:
    pattern = "cluster.default_archive.upstream_cx_total"
    routed = {**MESH, "routing": {**MESH["routing"], "zoneEgress": True}}
    await lab.put(routed)
    try:

        async def through_egress() -> bool:
            return await _answered(lab, "archive", "west") and bool(
                sum((await lab.stats("egress-east", pattern)).values())
            )

        await until("requests pass the egress", through_egress, PATIENCE)
    finally:
        await lab.put(MESH)
    await until("the archive is reached directly again", lambda: _answered(lab, "archive", "west"), PATIENCE)


async def _certificate_behind(lab: Lab, name: str) -> x509.Certificate:
    """The certificate of whoever the ingress of the west leads to by a name."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address = lab.west.address(INGRESS)
    async with asyncio.timeout(PATIENCE):
        _, writer = await asyncio.open_connection(address, INGRESS_PORT, ssl=context, server_hostname=name)
    try:
        return x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    finally:
        writer.transport.abort()


@asynccontextmanager
async def _permitted(lab: Lab, service: str) -> AsyncIterator[None]:
    """Lets a service in instead of `web`."""
    item = {**PERMISSION["spec"]["from"][0], "targetRef": {"kind": "MeshSubset", "tags": {"kuma.io/service": service}}}
    await lab.put({**PERMISSION, "spec": {**PERMISSION["spec"], "from": [item]}})
    try:
        yield
    finally:
        await lab.put(PERMISSION)


async def _status(lab: Lab, host: int | None, expected: int) -> bool:
    answer = await (lab.get("backend") if host is None else lab.get("backend", host))
    return answer.status == expected


async def _answered(lab: Lab, service: str, zone: str) -> bool:
    return (await lab.get(service)).zone == zone
