"""`ursa-cp export` and `import` move everything from one engine to another."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.servers.etcd import Etcd
from tests.servers.postgres import Postgres
from ursa.admission.startup import ensure_defaults
from ursa.errors import ConfigError
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import load
from ursa.store.contract import Contents, Create
from ursa.store.engines import open_store
from ursa.store.portions import portions

COUNT = 2_500

Variables = Callable[[str], Mapping[str, str]]
"""Settings that select an engine and a fresh place in it."""


def run(variables: Mapping[str, str], *arguments: str) -> str:
    command = [str(Path(sys.executable).with_name("ursa-cp")), *arguments]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def fill(variables: Mapping[str, str]) -> Contents:
    settings = load(None, variables).settings
    store = open_store(settings, SystemClock())
    await store.open()
    try:
        await ensure_defaults(store, settings, SystemClock())
        resources = [
            Resource("Config", "", f"größe-{i}", {"config": f"{i} \u2028 ' : # - {'x' * (i % 1500)}"}, {"a": "b: c"})
            for i in range(COUNT)
        ]
        for portion in portions([Create(resource) for resource in resources]):
            await store.write(portion)
        return await store.contents()
    finally:
        await store.close()


async def read(variables: Mapping[str, str]) -> Contents:
    store = open_store(load(None, variables).settings, SystemClock())
    await store.open()
    try:
        return await store.contents()
    finally:
        await store.close()


@pytest.fixture
def variables(etcd_server: Etcd, postgres_server: Postgres, tmp_path: Path) -> Variables:
    postgres_server.create_database(tmp_path.name)
    common = {"KUMA_MODE": "global", "KUMA_GENERAL_WORK_DIR": str(tmp_path)}
    engines = {
        "sqlite": {"KUMA_STORE_SQLITE_PATH": str(tmp_path / "moved.db")},
        "etcd": {
            "KUMA_STORE_ETCD_ENDPOINTS": ",".join(etcd_server.endpoints),
            "KUMA_STORE_ETCD_PREFIX": f"/{tmp_path.name}",
        },
        "postgres": {
            "KUMA_STORE_POSTGRES_PORT": str(postgres_server.port),
            "KUMA_STORE_POSTGRES_USER": "ursa",
            "KUMA_STORE_POSTGRES_PASSWORD": "ursa",
            "KUMA_STORE_POSTGRES_DB_NAME": tmp_path.name,
        },
    }
    return lambda engine: {**common, **engines[engine], "KUMA_STORE_TYPE": engine}


def sealing(variables: Mapping[str, str], file: Path) -> Mapping[str, str]:
    """The same with a new key in that file, of the file's name."""
    file.write_text(f"{file.name}: {base64.b64encode(os.urandom(32)).decode()}\n")
    return {**variables, "KUMA_STORE_ENCRYPTION_KEY_FILE": str(file)}


@pytest.mark.parametrize(("source", "target"), [("sqlite", "etcd"), ("postgres", "etcd"), ("etcd", "postgres")])
def test_everything_moves(source: str, target: str, variables: Variables, tmp_path: Path) -> None:
    # Each side has a key of its own for what is secret; who has none cannot read it.
    from_there, to_here = sealing(variables(source), tmp_path / "k1"), sealing(variables(target), tmp_path / "k2")
    filled = asyncio.run(fill(from_there))
    assert len(filled.resources) > COUNT
    file = tmp_path / "everything.yaml"
    file.write_text(run(from_there, "export"))
    count = len(filled.resources)
    assert run(to_here, "import", str(file)) == f"{count} created, 0 updated, 0 unchanged\n"
    assert run(to_here, "import", str(file)) == f"0 created, 0 updated, {count} unchanged\n"
    moved = {resource.key: resource for resource in asyncio.run(read(to_here)).resources}
    assert moved.keys() == {resource.key for resource in filled.resources}
    assert all(moved[resource.key].same_content(resource) for resource in filled.resources)
    times = {resource.key: (resource.created, resource.modified) for resource in filled.resources}
    assert {key: (resource.created, resource.modified) for key, resource in moved.items()} == times
    assert len(set(times.values())) > 2
    with pytest.raises(ConfigError, match="sealed with the key 'k2'"):
        asyncio.run(read(variables(target)))


def test_migrate_encrypts_what_is_there(variables: Variables, tmp_path: Path) -> None:
    plain = variables("sqlite")
    contents = asyncio.run(fill(plain))
    secrets = [r for r in contents.resources if r.kind in ("Secret", "GlobalSecret")]
    assert secrets
    sealed = sealing(plain, tmp_path / "k1")
    assert run(sealed, "migrate", "up") == f"store sqlite is ready, {len(secrets)} secrets sealed anew\n"
    assert run(sealed, "migrate", "up") == "store sqlite is ready\n"
    found = {resource.key: resource.spec for resource in asyncio.run(read(sealed)).resources}
    assert all(found[secret.key] == secret.spec for secret in secrets)
    with pytest.raises(ConfigError, match="keyFile lacks"):
        asyncio.run(read(plain))
