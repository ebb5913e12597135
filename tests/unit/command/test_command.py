"""`ursa-cp` beside `run`: configuration, backup and restore, and how it fails."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from tests.unit.api.recordings import SHARED, recording, seeds, titles
from ursa.command.main import main
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import Settings
from ursa.store.contract import Contents, Create
from ursa.store.sqlite import SqliteStore


class Result(NamedTuple):
    status: int
    out: str
    err: str


Ursa = Callable[..., Result]


@pytest.fixture
def ursa_cp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Ursa]:
    """Runs a command with a store of the test's own; what commands do to logs is undone."""
    monkeypatch.setenv("URSA_STORE_SQLITE_PATH", str(tmp_path / "store.db"))

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["ursa-cp", *arguments])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        return Result(status, *capsys.readouterr())

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield run
    root.handlers[:] = handlers
    root.setLevel(level)


def in_store(path: Path, *added: Resource) -> Contents:
    """Adds resources to a store file and reads all of it."""

    async def go() -> Contents:
        store = SqliteStore(str(path), SystemClock())
        await store.open()
        try:
            if added:
                await store.write([Create(resource) for resource in added])
            return await store.contents()
        finally:
            await store.close()

    return asyncio.run(go())


def of_every_kind() -> dict[object, Resource]:
    """One object of every kind, insights, secrets and internal configuration too."""
    found = {r.key: r for title in titles("kinds") if ".k8s" not in title for r in seeds(recording(title))}
    config = Resource("Config", "", "kuma-cluster-id", {"config": "x"})
    return {**found, config.key: config}


@pytest.mark.skipif(SHARED is None, reason="recordings are not present")
def test_an_export_restores_everything_and_importing_it_again_changes_nothing(
    ursa_cp: Ursa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = of_every_kind()
    assert len({r.kind for r in wanted.values()}) > 48
    in_store(tmp_path / "store.db", *wanted.values())
    exported = ursa_cp("export")
    assert exported.status == 0, exported.err
    backup = tmp_path / "backup.yaml"
    backup.write_text(exported.out)
    monkeypatch.setenv("URSA_STORE_SQLITE_PATH", str(tmp_path / "other.db"))
    assert ursa_cp("import", str(backup)).out == f"{len(wanted)} created, 0 updated, 0 unchanged\n"
    restored = {r.key: r for r in in_store(tmp_path / "other.db").resources}
    assert set(restored) == set(wanted)
    different = [key for key, resource in wanted.items() if not restored[key].same_content(resource)]
    assert not different
    before = in_store(tmp_path / "other.db").revision
    assert ursa_cp("import", str(backup)).out == f"0 created, 0 updated, {len(wanted)} unchanged\n"
    assert in_store(tmp_path / "other.db").revision == before
    assert ursa_cp("export").out.splitlines()[0] == "---"


def test_an_import_updates_and_takes_the_last_word_of_several(ursa_cp: Ursa, tmp_path: Path) -> None:
    first, second, bad = tmp_path / "1.yaml", tmp_path / "2.json", tmp_path / "3.yaml"
    first.write_text("type: Mesh\nname: a\n---\ntype: Zone\nname: z\n")
    second.write_text('{"type": "Mesh", "name": "a", "routing": {"zoneEgress": true}}')
    bad.write_text("type: Mesh\nname: b\n---\ntype: Nonsense\nname: x\n")
    assert ursa_cp("import", str(first)).out == "2 created, 0 updated, 0 unchanged\n"
    assert ursa_cp("import", str(first), str(second)).out == "0 created, 1 updated, 1 unchanged\n"
    refused = ursa_cp("import", str(bad))
    assert (refused.status, refused.err) == (1, 'Error: type: unknown resource type "Nonsense"\n')
    found = {r.name: r.spec for r in in_store(tmp_path / "store.db").resources}
    assert found == {"a": {"routing": {"zoneEgress": True}}, "z": {}}, "a bad document stops all of its import"


def test_a_store_is_prepared(ursa_cp: Ursa, tmp_path: Path) -> None:
    assert ursa_cp("migrate", "up") == (0, "store sqlite is ready\n", "")
    assert (tmp_path / "store.db").exists()


def test_the_configuration_is_explained(ursa_cp: Ursa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("dnsServer: {domain: internal, prot: 1}\n")
    monkeypatch.setenv("KUMA_STORE_POSTGRES_PASSWORD", "hunter2")
    shown = ursa_cp("config", "explain", "-c", str(file), "dnsServer")
    assert shown.err == "warning: unknown configuration key dnsServer.prot\n"
    assert '* dnsServer.domain = "internal"  [URSA_DNS_SERVER_DOMAIN]  # suffix of <service>.mesh\n' in shown.out
    assert all(line[2:].startswith("dnsServer.") for line in shown.out.splitlines())
    everything = ursa_cp("config", "explain").out
    assert "hunter2" not in everything
    assert len(everything.splitlines()) > 300


def test_a_start_is_told_line_by_line_for_machines(
    ursa_cp: Ursa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Settings] = []
    monkeypatch.setattr(EntryPoint, "load", lambda _: runs.append)
    monkeypatch.setenv("URSA_DNS_SERVER_DOMIAN", "x")
    started = ursa_cp("run", "--mode=zone", "--zone=east", "--log-format=json")
    doubt, start = map(orjson.loads, started.err.splitlines())
    assert doubt["message"] == "the configuration is doubtful" and "URSA_DNS_SERVER_DOMAIN" in doubt["reason"]
    assert (start["message"], start["mode"], start["zone"]) == ("starting", "zone", "east")
    assert start["store"] == f"sqlite at {tmp_path}/store.db"
    assert [settings.multizone.zone.name for settings in runs] == ["east"]


def test_the_configuration_is_validated(ursa_cp: Ursa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ursa_cp("config", "validate") == (0, "configuration is valid\n", "")
    monkeypatch.setenv("KUMA_MODE", "foo")
    refused = ursa_cp("config", "validate")
    assert refused.status == 1
    assert refused.err == (
        "Error: configuration validation failed: "
        "Mode validation failed: invalid mode. Available modes: standalone, zone, global\n"
    )


def test_short_forms_of_settings_are_checked_like_them(ursa_cp: Ursa) -> None:
    refused = ursa_cp("run", "--mode=zone", "--zone=east", "--global-address=http://g:5685")
    assert refused.status == 1
    assert 'unsupported scheme "http" in zone GlobalAddress' in refused.err


def test_versions_and_wrong_words(ursa_cp: Ursa) -> None:
    assert ursa_cp("version").out.startswith("ursa ")
    assert "compatible with Kuma 2.13" in ursa_cp("version", "-a").out
    wrong = ursa_cp("nonsense")
    assert wrong.status != 0
    assert "No such command 'nonsense'" in wrong.err
