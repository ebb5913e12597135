"""Commands of Kuma's own tool, recorded, given to ours against the objects they were recorded over."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.unit.api.conftest import ControlPlane, Start
from tests.unit.api.recordings import FOLDER, SHARED, recording, registry, seeds, titles, token_claims
from tests.unit.cli.conftest import Ursactl
from ursa.cli.main import COMMANDS, global_first
from ursa.cli.matches import policies_of_proxy, proxies_of_policy
from ursa.model.forms import from_rest
from ursa.model.resource import Resource

pytestmark = pytest.mark.skipif(SHARED is None, reason="recordings are not present")

PARTS = re.compile(r"--- (exit code: (?P<status>\d)|stdout|stderr|stdin)(?:\n|\Z)")
AGE = re.compile(r"\d+[smhdy]")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
GAP = re.compile(r" {3,}")
STATE = ("kinds/*", "single/dataplanes-overview-list", "single/dataplanes-gateway-true", "single/dataplane-get")


class Run(NamedTuple):
    """One recorded run of the command."""

    arguments: list[str]
    status: int
    out: str
    err: str


def run_of(name: str) -> Run:
    """The recorded run of this name."""
    text = (FOLDER / "kumactl" / f"{name}.txt").read_text()
    text = text.replace("<signature> stderr", "<signature>--- stderr")  # the redaction took too much
    command, rest = text.split("\n", 1)
    parts = PARTS.split(rest)
    found = dict(zip((p.split(":")[0] for p in parts[1::3]), zip(parts[2::3], parts[3::3], strict=True), strict=True))
    return Run(
        shlex.split(command.removeprefix("$ kumactl ")),
        int(found["exit code"][0]),
        found["stdout"][1],
        found["stderr"][1],
    )


async def prepare(plane: ControlPlane) -> None:
    """The objects of the recordings."""
    known = {r.key for r in (await plane.store.contents()).resources}
    wanted: dict[Any, Resource] = {}
    for title in (*titles("kinds"), *STATE[1:]):
        if ".k8s" not in title:
            wanted |= {r.key: r for r in seeds(recording(title))}
    await plane.add(*(r for key, r in wanted.items() if key not in known))


def rows(table: str) -> list[tuple[str, ...]]:
    """The cells of a table, ages masked."""
    found = [tuple(GAP.split(line.rstrip())) for line in table.splitlines()]
    return [tuple(_masked(cell) for cell in row) for row in found]


def _masked(cell: str) -> str:
    """Ages, and counts of messages, which went on between the recordings."""
    return "<age>" if AGE.fullmatch(cell) else "<count>" if cell.isdecimal() and cell != "0" else cell


def objects_in(run: Run) -> list[Resource]:
    """The objects that a table, or a document, shows, as far as it does."""
    kind = next(k for k in registry() if run.arguments[1] in (k.cli or ()))
    if "-o" in run.arguments:
        document = yaml.safe_load(run.out)
        return [from_rest(item, registry()) for item in document.get("items", [document])]
    cells = rows(run.out)[1:]
    return [Resource(kind.name, *(("", row[0]) if kind.global_scope else row[:2])) for row in cells]


async def add_missing(plane: ControlPlane, objects: list[Resource]) -> None:
    """Stores objects, and their meshes, unless they are there."""
    known = {r.key for r in (await plane.store.contents()).resources}
    meshes = [Resource("Mesh", "", mesh) for mesh in dict.fromkeys(r.mesh for r in objects) if mesh]
    await plane.add(*(r for r in (*meshes, *objects) if r.key not in known))


TABLES = sorted(f"get/{file.stem}" for file in (FOLDER / "kumactl/get").glob("*.txt"))


@pytest.mark.parametrize("name", TABLES)
async def test_tables_of_every_kind(ursactl: Ursactl, zone: ControlPlane, name: str) -> None:
    await prepare(zone)
    run = run_of(name)
    await add_missing(zone, objects_in(run))
    shown = await ursactl(*map(shlex.quote, run.arguments))
    assert (shown.status, shown.err) == (run.status, "")
    expected, ours = rows(run.out), rows(shown.out)
    assert ours[0] == expected[0]
    if "demo" in run.arguments:
        assert ours == expected
    else:
        assert set(expected) <= set(ours), "the control plane's own objects are there, too"


DOCUMENTS = (
    "get-dataplane-yaml",
    "get-legacy-yaml",
    "get-mesh-json",
    "get-mesh-yaml",
    "get-meshes-json",
    "get-policies-yaml",
    "get-policy-json",
    "get-policy-yaml",
    "get-secret-yaml",
)


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_documents_are_printed_alike(ursactl: Ursactl, start: Start, name: str) -> None:
    plane, run = await start(defaults=False), run_of(name)
    await add_missing(plane, objects_in(run))
    shown = await ursactl("--context", "bare", *map(shlex.quote, run.arguments), plane=plane)
    assert (shown.status, shown.err) == (0, "")
    ours, theirs = (TIME.sub("<time>", text) for text in (shown.out, run.out))
    if name.endswith("json"):
        assert (json.loads(ours), ours[:4]) == (json.loads(theirs), theirs[:4])
    else:
        assert ours == theirs


REFUSALS = (
    "delete-not-found",
    "get-not-found",
    "get-not-found-global",
    "get-page-too-big",
    "config-switch-unknown",
    "config-remove-unknown",
    "config-add-bad-authtype",
    "config-add-tokens-noconf",
    "config-add-onecert",
    "gen-user-token-offline-nokid",
    "gen-zone-token-badscope",
    "gen-dp-token-nofor",
    "gen-dp-token-zero",
    "gen-user-token-noname",
    "gen-zone-token-nozone",
    "gen-tls-nohost",
    "apply-noflag",
    "delete-mesh-with-dp",
)


@pytest.mark.parametrize("name", REFUSALS)
async def test_refusals_are_worded_alike(ursactl: Ursactl, zone: ControlPlane, name: str) -> None:
    await prepare(zone)
    run = run_of(name)
    shown = await ursactl(*map(shlex.quote, run.arguments))
    assert shown.status == run.status
    lines = shown.err.splitlines()
    assert [line for line in lines if not line.startswith("Hint: ")] == run.err.splitlines()


INSPECTED = {
    "inspect-services": {"svc-1", "edge", "httpbin"},
    "inspect-meshes": set(),
    "inspect-dataplanes": {"backend-1", "web-1"},
    "inspect-dataplanes-tag": {"backend-1"},
    "inspect-dataplanes-gateway": {"gw-1"},
    "mz/inspect-zones": set(),
}
"""Commands, and the rows that the recorded objects are enough for."""


@pytest.mark.parametrize("name", INSPECTED)
async def test_inspections_are_printed_alike(ursactl: Ursactl, zone: ControlPlane, name: str) -> None:
    await prepare(zone)
    run = run_of(name)
    shown = await ursactl(*map(shlex.quote, run.arguments))
    assert (shown.status, shown.err) == (0, "")
    expected, ours = rows(run.out), rows(shown.out)
    assert ours[0] == expected[0]
    wanted = {row for row in expected if INSPECTED[name] & set(row)}
    assert wanted <= set(ours)


MATCHES = {
    "inspect-policy": ("single/policy-dataplanes-legacy", proxies_of_policy),
    "inspect-policy-legacy": ("single/legacy-policy-dataplanes", proxies_of_policy),
    "inspect-dataplane-gateway": ("single/gateway-dataplane-policies", policies_of_proxy),
}
"""Commands, the answers they print, and what prints them."""


@pytest.mark.parametrize("name", MATCHES)
def test_matches_are_printed_alike(name: str) -> None:
    answered, lines = MATCHES[name]
    assert "".join(f"{line}\n" for line in lines(recording(answered).answer)) == run_of(name).out


def test_sections_of_a_proxy_are_titled_alike() -> None:
    """Names below the first are indented, where Kuma's tool lets them fall to the left."""
    sections = [
        {"type": "inbound", "name": "192.168.0.1:8080:80", "service": "svc-1"},
        {"type": "outbound", "name": "127.0.0.1:10001", "service": "svc-2"},
        {"type": "service", "name": "pass_through"},
        {"type": "dataplane", "matchedPolicies": {"MeshRetry": [{"name": "a"}, {"name": "b"}]}},
    ]
    titled = [line for line in policies_of_proxy({"items": sections}) if line]
    recorded = run_of("inspect-dataplane-legacy-mesh").out.splitlines()
    assert titled[-4:] == ["DATAPLANE:", "  MeshRetry", "    a", "    b"]
    assert set(titled[:3]) <= set(recorded)


ISSUED = ("gen-dp-token", "gen-dp-token-two-tags", "gen-user-token", "gen-zone-token")


@pytest.mark.parametrize("name", ISSUED)
async def test_tokens_say_the_same(ursactl: Ursactl, name: str) -> None:
    run = run_of(name)
    shown = await ursactl(*map(shlex.quote, run.arguments))
    assert shown.status == 0, shown.err
    assert token_claims(shown.out) == token_claims(run.out)


@pytest.mark.parametrize("name", ["gen-dp-token-offline", "gen-user-token-offline"])
async def test_tokens_made_here_say_the_same(ursactl: Ursactl, tmp_path: Path, name: str) -> None:
    run = run_of(name)
    key = tmp_path / "key.pem"
    key.write_text((await ursactl("generate signing-key --format pem")).out)
    arguments = [str(key) if argument == "gen/key.pem" else argument for argument in run.arguments]
    shown = await ursactl(*map(shlex.quote, arguments))
    assert shown.status == 0, shown.err
    assert token_claims(shown.out) == token_claims(run.out)


GLOBAL = (
    ["get", "zones", "--no-config"],
    ["get", "meshes", "--api-timeout", "5s", "--log-level=off"],
    ["get", "meshes", "--context=z"],
)


@pytest.mark.parametrize("arguments", GLOBAL)
async def test_global_options_are_taken_anywhere(ursactl: Ursactl, arguments: list[str]) -> None:
    assert "No such option" not in (await ursactl(*arguments)).err
    assert global_first(["get", "x", "--", "--context", "y"]) == ["get", "x", "--", "--context", "y"]


@pytest.mark.parametrize(
    "name", ["inspect-policy-notfound", "inspect-meshgateway-wrong-mesh", "inspect-dataplane-notfound"]
)
async def test_inspections_of_nothing_end_alike(ursactl: Ursactl, name: str) -> None:
    run = run_of(name)
    shown = await ursactl(*map(shlex.quote, run.arguments))
    errors = [line for line in shown.err.splitlines() if not line.startswith("Hint: ")]
    assert (shown.status, shown.out, errors) == (run.status, run.out, run.err.splitlines())


def test_no_command_is_unknown() -> None:
    listed = run_of("help-root").out.split("Available Commands:\n")[1].split("\n\n")[0]
    assert {line.split()[0] for line in listed.splitlines()} <= COMMANDS.keys()
