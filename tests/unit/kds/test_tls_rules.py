"""Versions and suites of TLS at the ports of zones and of replicas: their own settings, and those for all servers."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from global_cp.kds_port import KdsPort
from kds.connection import Connection
from kds.dialing import dial
from kds.replicas.catalogue import Replica
from kds.replicas.credentials import Credentials, issue_credentials
from kds.replicas.holdings import Crowded
from kds.replicas.peers import Peers
from kds.replicas.replicas import Replicas
from kds.transport import GLOBAL_SERVICE, HEALTH, call_metadata
from tests.servers.ports import free_port
from tests.unit.kds.lab import Global, Zone
from tests.unit.kds.test_stream import running, timeout
from ursa.admission.startup import ensure_defaults
from ursa.cli.keys import self_signed
from ursa.errors import ConfigError, Unavailable
from ursa.identity.kept_authority import INTER_CP
from ursa.model.resource import Resource
from ursa.runtime.config import Settings, load
from ursa.runtime.config.multizone import InterCpClient
from ursa.runtime.tls import TlsFiles, load_pair
from ursa.runtime.tls_rules import TlsRules
from zone_cp.facts import dp_server_settings

HOME = "127.0.0.1"
OLD, NEW = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
GCM_128, GCM_256 = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"
RSA_128, RSA_256 = "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"


def pair(folder: Path, name: str) -> TlsFiles:
    certificate, key = self_signed(["localhost", HOME], server=True, elliptic=True)
    files = TlsFiles(folder / f"{name}.crt", folder / f"{name}.key")
    files.cert.write_bytes(certificate)
    files.key.write_bytes(key)
    return files


def settings(**variables: str) -> Settings:
    return load(None, {"KUMA_MODE": "global", **{f"KUMA_{k}": v for k, v in variables.items()}}).settings


@asynccontextmanager
async def kds_port(folder: Path, **variables: str) -> AsyncIterator[tuple[int, Global]]:
    """The port of zones with the pair `general` of a folder."""
    port = free_port()
    chosen = settings(MULTIZONE_GLOBAL_KDS_GRPC_PORT=str(port), **variables)
    side = Global()
    async with running(side):
        await side.hang_up()
        await side.put(Resource("Mesh", "", "default"))
        assert side.server is not None
        component = KdsPort(chosen, side.server, side.zones, pair(folder, "general"))
        running_port = side.supervisor.start("kds port", component.run)
        async with asyncio.timeout(10):
            while not await asyncio.to_thread(listens, port):
                assert not running_port.done()
                await asyncio.sleep(0.02)
        yield port, side


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOME, port)) == 0


def greet(
    port: int,
    versions: tuple[ssl.TLSVersion, ssl.TLSVersion] = (OLD, NEW),
    suites: str = "",
    own: Credentials | None = None,
) -> bytes:
    """The certificate that a client of these versions and suites is shown; raises ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version, context.maximum_version = versions
    context.set_alpn_protocols(["h2"])
    if own is not None:
        load_pair(context, own.certificate, own.key)
    if suites:
        context.set_ciphers(suites)
    with socket.create_connection((HOME, port), timeout=10) as plain, context.wrap_socket(plain) as tls:
        return tls.getpeercert(binary_form=True) or b""


Refused = Callable[[int], bytes]
CASES: list[tuple[dict[str, str], Refused, Refused]] = [
    ({"TLS_MIN_VERSION": "TLSv1_3"}, lambda p: greet(p), lambda p: greet(p, (OLD, OLD))),
    ({"TLS_MAX_VERSION": "TLSv1_2"}, lambda p: greet(p), lambda p: greet(p, (NEW, NEW))),
    ({"TLS_CIPHER_SUITES": f"{GCM_128},{RSA_128}"},
     lambda p: greet(p, (OLD, OLD), f"{GCM_128}:{RSA_128}"), lambda p: greet(p, (OLD, OLD), f"{GCM_256}:{RSA_256}")),
    ({"TLS_CIPHER_SUITES": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
     lambda p: greet(p, (OLD, OLD), f"{GCM_256}:{RSA_256}"), lambda p: greet(p, (OLD, OLD), f"{GCM_128}:{RSA_128}")),
]  # fmt: skip
"""Settings without the prefix of their server, a client that is served then, and one that is not."""


@pytest.mark.parametrize("server", ["GENERAL", "MULTIZONE_GLOBAL_KDS"])
@pytest.mark.parametrize(("rules", "served", "refused"), CASES)
async def test_the_port_of_zones_keeps_to_the_rules(
    tmp_path: Path, server: str, rules: dict[str, str], served: Refused, refused: Refused
) -> None:
    async with kds_port(tmp_path, **{f"{server}_{name}": value for name, value in rules.items()}) as (port, _):
        assert await asyncio.to_thread(served, port)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(refused, port)
    async with kds_port(tmp_path) as (port, _):
        assert await asyncio.to_thread(refused, port), "without rules this client is served"


async def test_zones_sync_through_a_port_with_rules(tmp_path: Path) -> None:
    rules = {"GENERAL_TLS_MIN_VERSION": "TLSv1_3"}
    async with kds_port(tmp_path, **rules) as (port, centre):
        addressed = {
            "KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS": f"grpcs://localhost:{port}",
            "KUMA_MULTIZONE_ZONE_KDS_ROOT_CA_FILE": str(tmp_path / "general.crt"),
        }
        zones = [Zone(name, 0, **addressed) for name in ("east", "west")]
        async with running(*zones):
            await centre.put(timeout("a"))
            for zone in zones:
                await zone.until(lambda zone=zone: zone.named("MeshTimeout", "a"))
            await zones[0].put(Resource("MeshService", "default", "web", {"ports": [{"port": 80}]}))
            await zones[1].until(lambda: zones[1].named("MeshService", "web"))
            peers = {connection.caller.peer for connection in centre.zones.connections.values()}
            assert len(peers) == 2 and all("127.0.0.1:" in peer for peer in peers), "who calls is still known"
        await centre.until(lambda: not centre.zones.connections)


async def test_a_pair_of_its_own_is_what_zones_are_shown(tmp_path: Path) -> None:
    own = pair(tmp_path, "own")
    files = {"MULTIZONE_GLOBAL_KDS_TLS_CERT_FILE": str(own.cert), "MULTIZONE_GLOBAL_KDS_TLS_KEY_FILE": str(own.key)}
    for rules in ({}, {"MULTIZONE_GLOBAL_KDS_TLS_MIN_VERSION": "TLSv1_3"}):
        async with kds_port(tmp_path, **files, **rules) as (port, _):
            assert await asyncio.to_thread(greet, port) == ssl.PEM_cert_to_DER_cert(own.cert.read_text())
            # It may be replaced at any time.
            own = pair(tmp_path, "own")
            assert await asyncio.to_thread(greet, port) == ssl.PEM_cert_to_DER_cert(own.cert.read_text())


async def test_zones_follow_an_exchanged_certificate_and_ca_without_a_restart(tmp_path: Path) -> None:
    async with kds_port(tmp_path) as (port, centre):
        trusted = tmp_path / "ca.crt"
        trusted.write_bytes((tmp_path / "general.crt").read_bytes())
        zone = Zone(
            "east",
            0,
            KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS=f"grpcs://localhost:{port}",
            KUMA_MULTIZONE_ZONE_KDS_ROOT_CA_FILE=str(trusted),
        )
        async with running(zone):
            await centre.until(lambda: "east" in centre.zones.connections)
            pair(tmp_path, "general")
            await centre.put(timeout("a"))
            await zone.until(lambda: zone.named("MeshTimeout", "a"))
            # A new connection is shown the new certificate, which the zone does not trust yet.
            centre.zones.connections["east"].end(Crowded())
            await zone.until(lambda: "certificate" in zone.client.status.last_error)
            await centre.put(timeout("b"))
            trusted.write_bytes((tmp_path / "general.crt").read_bytes())
            await zone.until(lambda: zone.named("MeshTimeout", "b"))


async def test_without_tls_there_is_none(tmp_path: Path) -> None:
    async with kds_port(tmp_path, MULTIZONE_GLOBAL_KDS_TLS_ENABLED="false") as (port, _):
        address = f"grpc://{HOME}:{port}"
        zone = load(None, {"KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS": address}).settings.multizone.zone
        async with await dial(zone) as channel:
            await Connection(channel, call_metadata("zone-1"), probe_timeout=1).call(GLOBAL_SERVICE, HEALTH, b"")


@pytest.mark.parametrize("server", ["GENERAL", "INTER_CP_SERVER"])
async def test_the_port_of_replicas_keeps_to_the_rules(server: str) -> None:
    own = Replica("one", HOME, free_port())
    variables = {
        "INTER_CP_SERVER_PORT": str(own.port),
        "STORE_TYPE": "etcd",
        "INTER_CP_CATALOG_INSTANCE_ADDRESS": HOME,
        f"{server}_TLS_MIN_VERSION": "TLSv1_3",
    }
    async with replica(settings(**variables)) as credentials:
        clock = Global().clock
        peers = Peers(clock, InterCpClient())
        await peers.trust(credentials)
        await until_pinged(peers, own)
        assert await asyncio.to_thread(greet, own.port, (NEW, NEW), "", credentials)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(greet, own.port, (OLD, OLD), "", credentials)
        await peers.close()
        # Still nobody but a replica is answered.
        stranger = Peers(clock, InterCpClient())
        certificate, key = self_signed(["localhost"], server=False, elliptic=True)
        await stranger.trust(Credentials(credentials.authority, certificate, key))
        with pytest.raises(Unavailable, match="replica one cannot be asked"):
            await stranger.ping(own, Replica("two", HOME, 5), ready=True)
        await stranger.close()


@asynccontextmanager
async def replica(chosen: Settings) -> AsyncIterator[Credentials]:
    """A replica's port; gives what another one needs to call it."""

    async def nothing(_: object) -> bytes:
        return b""

    side = Global()
    async with running(side):
        await ensure_defaults(side.store, chosen, side.clock)
        await side.live.wait_for(await side.store.revision())
        replicas = Replicas(chosen, "one", side.store, side.live, side.clock, is_cut_off=lambda: False)
        for name, component in replicas.components(nothing, side.live.ready).items():
            side.supervisor.start(name, component)
        authority = side.live.current.get("GlobalSecret", "", INTER_CP)
        assert authority is not None
        yield issue_credentials(authority, HOME, side.clock.now_ns())


async def until_pinged(peers: Peers, own: Replica) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await peers.ping(own, Replica("two", HOME, 5), ready=True)
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        (TlsRules(min_version="TLSv1_1"), "unsupported tls version: TLSv1_1"),
        (TlsRules(min_version="TLSv1_3", max_version="TLSv1_2"), "no version of tls is left"),
        (TlsRules(ciphers=(GCM_128, "TLS_RSA_WITH_NONSENSE")), "unsupported tls cipher suite: TLS_RSA_WITH_NONSENSE"),
    ],
)
def test_rules_that_cannot_be_kept_are_refused(rules: TlsRules, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        rules.limit(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def test_suites_of_tls_1_3_alone_leave_only_that_version() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    TlsRules(ciphers=("TLS_AES_128_GCM_SHA256",)).limit(context)
    assert context.minimum_version is NEW
    for go, openssl in (
        ("TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        TlsRules(ciphers=(go,)).limit(context)
        assert [c["name"] for c in context.get_ciphers() if c["protocol"] != "TLSv1.3"] == [openssl]


@pytest.mark.parametrize("server", ["GENERAL", "DP_SERVER"])
@pytest.mark.parametrize("rules", [rules for rules, *_ in CASES])
def test_the_port_of_proxies_is_given_the_rules(server: str, rules: dict[str, str]) -> None:
    given = dp_server_settings(settings(**{f"{server}_{name}": value for name, value in rules.items()})).tls
    assert not given.usual
    expected = TlsRules(
        rules.get("TLS_MIN_VERSION", "TLSv1_2"),
        rules.get("TLS_MAX_VERSION", ""),
        tuple(filter(None, rules.get("TLS_CIPHER_SUITES", "").split(","))),
    )
    assert given == expected
