"""Commands end to end: what is printed, what is sent, how they fail."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.unit.api.conftest import ControlPlane
from tests.unit.cli.conftest import Ursactl
from ursa.cli.failures import CommandFailed
from ursa.cli.manifests import parse_variables

POLICY = """
type: MeshTimeout
mesh: demo
name: web
spec:
  targetRef: {kind: Mesh}
  to:
  - targetRef: {kind: Mesh}
    default: {idleTimeout: "{{ idle }}"}
---
type: Mesh
name: demo
"""
DATAPLANE = """
type: Dataplane
mesh: default
name: web-1
networking:
  address: 192.168.0.1
  inbound:
  - port: 80
    tags: {kuma.io/service: web, version: v1}
"""


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "a.yaml").write_text(POLICY)
    (folder / "b.yml").write_text(DATAPLANE)
    (folder / "notes.txt").write_text("not a manifest")
    return folder


async def test_apply_says_what_each_object_changed(ursactl: Ursactl, manifests: Path) -> None:
    first = await ursactl("apply", "-f", str(manifests), "-v", "idle=1m")
    assert (first.status, first.err) == (0, "")
    changes = [line.partition(" (revision")[0] for line in first.out.splitlines()]
    assert changes == [
        'resource type="Mesh" mesh="" name="demo" Created',
        'resource type="MeshTimeout" mesh="demo" name="web" Created',
        'resource type="Dataplane" mesh="default" name="web-1" Created',
    ]
    second = await ursactl("apply", "-f", str(manifests), "-v", "idle=2m")
    changes = [line.partition(" (revision")[0] for line in second.out.splitlines()]
    assert changes == [
        'resource type="Mesh" mesh="" name="demo" Updated (unchanged)',
        'resource type="MeshTimeout" mesh="demo" name="web" Updated',
        'resource type="Dataplane" mesh="default" name="web-1" Updated (unchanged)',
    ]


async def test_apply_sends_nothing_when_one_document_is_wrong(
    ursactl: Ursactl, manifests: Path, zone: ControlPlane
) -> None:
    (manifests / "c.yaml").write_text("type: Dataplane\nmesh: default\nname: bad\n---\ntype: Nope\nname: x\n")
    result = await ursactl("apply", "-f", str(manifests), "-v", "idle=1m")
    assert result.status == 1
    assert result.err.splitlines() == [
        "Error: failed to validate some resources",
        f"resource[3] of {manifests}/c.yaml: failed to parse resource: networking: must be defined",
        f'resource[4] of {manifests}/c.yaml: failed to parse resource: type: unknown resource type "Nope"',
        "Hint: nothing was sent",
    ]
    assert zone.live.current.get("Mesh", "", "demo") is None


async def test_dry_runs_write_nothing(ursactl: Ursactl, manifests: Path, zone: ControlPlane) -> None:
    printed = await ursactl("apply", "-f", str(manifests / "b.yml"), "--dry-run")
    assert "\ntype: Dataplane\n" in printed.out
    tried = await ursactl("apply", "-f", str(manifests / "b.yml"), "--dry-run=server")
    assert tried.out == "dataplane.web-1 created (dry run)\n"
    assert not zone.live.current.bucket("Dataplane", "default")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not valid YAML"),
        ("", "no resource(s) passed to apply"),
        ("type: Mesh\nname: '{{ x }}'", "variable x has no value"),
    ],
)
async def test_bad_manifests(ursactl: Ursactl, tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    result = await ursactl("apply", "-f", str(file), "-v", "y=1")
    assert result.status == 1
    assert message in result.err
    assert (await ursactl("apply", "-f", str(tmp_path / "absent.yaml"))).status == 1


def test_variables_come_one_by_one_or_together() -> None:
    assert parse_variables(["a=1", "b=2,c=3"]) == {"a": "1", "b": "2", "c": "3"}
    assert parse_variables(["hosts=x,y"]) == {"hosts": "x,y"}
    with pytest.raises(CommandFailed, match="NAME=VALUE"):
        parse_variables(["a"])


async def test_manifests_come_from_the_web_and_from_standard_input(
    ursactl: Ursactl, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def serve(request: web.Request) -> web.Response:
        return web.Response(text="type: Mesh\nname: web\n", status=200 if request.path == "/mesh.yaml" else 404)

    server = TestServer(web.Application())
    server.app.router.add_get("/{path}", serve)
    async with server:
        found = await ursactl("apply -f", str(server.make_url("/mesh.yaml")))
        assert found.out.startswith('resource type="Mesh" mesh="" name="web" Created'), found
        lost = await ursactl("apply -f", str(server.make_url("/nothing.yaml")))
        assert (lost.status, "404" in lost.err) == (1, True), "Kuma's tool is silent about this"
    monkeypatch.setattr("sys.stdin", io.StringIO("type: Mesh\nname: piped\n"))
    assert (await ursactl("apply -f -")).out.startswith('resource type="Mesh" mesh="" name="piped" Created')


async def test_kubernetes_manifests_are_accepted(ursactl: Ursactl, tmp_path: Path) -> None:
    file = tmp_path / "k8s.json"
    mesh = {"apiVersion": "kuma.io/v1alpha1", "kind": "Mesh", "metadata": {"name": "k"}, "spec": {}}
    file.write_text(json.dumps(mesh))
    assert (await ursactl("apply", "-f", str(file))).out.startswith('resource type="Mesh" mesh="" name="k" Created')


async def test_get_prints_kumas_columns(ursactl: Ursactl, manifests: Path) -> None:
    await ursactl("apply", "-f", str(manifests), "-v", "idle=1m")
    header, row = (await ursactl("get", "dataplanes")).out.splitlines()
    assert header.split() == ["MESH", "NAME", "TAGS", "ADDRESS", "AGE"]
    assert row.startswith("default   web-1   kuma.io/service=web kuma.io/zone=default version=v1   192.168.0.1")
    header, *rows = (await ursactl("get", "meshes")).out.splitlines()
    assert header.split() == ["NAME", "mTLS", "LOCALITY", "ZONEEGRESS", "AGE"]
    assert [r.split()[:4] for r in rows] == [["default", "off", "off", "off"], ["demo", "off", "off", "off"]]
    page = await ursactl("get", "meshtimeouts", "--size", "1")
    assert page.out.endswith("Rerun command with --offset=1 argument to retrieve more resources\n")


@pytest.mark.parametrize("word", ["meshtimeout", "meshtimeouts", "MeshTimeout", "mt"])
async def test_one_object_round_trips(ursactl: Ursactl, manifests: Path, tmp_path: Path, word: str) -> None:
    await ursactl("apply", "-f", str(manifests), "-v", "idle=1m")
    for output in ("yaml", "json"):
        shown = await ursactl("get", word, "web", "-m", "demo", "-o", output)
        again = tmp_path / f"again.{output}"
        again.write_text(shown.out)
        assert (await ursactl("apply", "-f", str(again))).out.endswith('name="web" Updated (unchanged)\n')


async def test_what_is_not_there_is_named(ursactl: Ursactl) -> None:
    assert (await ursactl("get", "mesh", "nope")).err == "Error: No resources found\n"
    assert (await ursactl("get", "meshtimeout", "x")).err == "Error: No resources found in default mesh\n"
    assert (await ursactl("delete", "mesh", "nope")).err == 'Error: there is no Mesh with name "nope"\n'
    assert (await ursactl("get", "nopes")).err.startswith("Error: unknown TYPE: nopes. Allowed values:")


async def test_delete(ursactl: Ursactl, manifests: Path) -> None:
    await ursactl("apply", "-f", str(manifests), "-v", "idle=1m")
    assert (await ursactl("delete", "mesh", "default")).err.splitlines() == [
        "Error: Could not delete a resource (Resource is not valid)",
        "* mesh: unable to delete mesh, there are still some dataplanes attached",
    ]
    assert (await ursactl("delete", "dataplane", "web-1")).out == 'deleted Dataplane "web-1"\n'
    gone = await ursactl("delete", "-f", str(manifests / "a.yaml"))
    assert gone.status == 0, gone.err


@pytest.mark.parametrize(
    ("what", "header"),
    [
        ("dataplanes", "MESH NAME TAGS STATUS LAST CONNECTED AGO"),
        ("zones", "NAME STATUS LAST CONNECTED AGO"),
        ("zoneingresses", "NAME STATUS LAST CONNECTED AGO"),
        ("zone-ingresses", "NAME STATUS LAST CONNECTED AGO"),
        ("zoneegresses", "NAME STATUS LAST CONNECTED AGO"),
        ("meshes", "MESH DATAPLANES TRAFFIC PERMISSIONS"),
        ("services", "SERVICE STATUS DATAPLANES"),
    ],
)
async def test_inspect_tables(ursactl: Ursactl, manifests: Path, what: str, header: str) -> None:
    await ursactl("apply", "-f", str(manifests / "b.yml"))
    result = await ursactl("inspect", what)
    assert result.status == 0, result.err
    assert " ".join(result.out.splitlines()[0].split()).startswith(header)
    assert json.loads((await ursactl("inspect", what, "-o", "json")).out)["total"] >= 0


async def test_policies_of_a_proxy_and_proxies_of_a_policy(ursactl: Ursactl, manifests: Path) -> None:
    await ursactl("apply", "-f", str(manifests / "b.yml"))
    shown = (await ursactl("inspect dataplane web-1")).out
    assert "  MeshTimeout\n    mesh-timeout-all-default\n" in shown
    affected = (await ursactl("inspect policy meshtimeout mesh-timeout-all-default")).out
    assert affected == "Affected data plane proxies:\n\n  web-1\n"
    assert (await ursactl("inspect dataplane web-1 --type stats --shadow")).status == 1


@pytest.mark.parametrize("form", ["universal", "kubernetes"])
async def test_an_export_can_be_applied(ursactl: Ursactl, manifests: Path, tmp_path: Path, form: str) -> None:
    (manifests / "c.yaml").write_text(
        "type: Mesh\nname: secure\nmtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}\n"
    )
    await ursactl("apply -v idle=1m -f", str(manifests))
    exported = await ursactl("export --profile federation-with-policies -f", form)
    assert exported.status == 0, exported.err
    assert exported.out.startswith("# Product: Kuma, Version: 2.13.10")
    assert "inter-cp-ca" not in exported.out
    file = tmp_path / "all.yaml"
    file.write_text(exported.out)
    tried = await ursactl("apply --dry-run=server -f", str(file))
    assert tried.status == 0, tried.err
    assert "secret: secure.ca-builtin-cert-ca" in exported.out
    assert "mesh.secure configured (dry run)" in tried.out
    if form == "kubernetes":
        elsewhere = await ursactl("export --profile federation-with-policies -f kubernetes -n elsewhere")
        assert "namespace: kuma-system" in exported.out and "namespace: " not in elsewhere.out
    else:
        assert "type: Dataplane" not in exported.out


async def test_tokens_from_the_control_plane_and_from_a_key(ursactl: Ursactl, tmp_path: Path) -> None:
    import jwt

    issued = await ursactl("generate", "dataplane-token", "--name", "a", "--tag", "k=v,w", "--valid-for", "1h")
    claims = jwt.decode(issued.out, options={"verify_signature": False})
    assert (claims["Name"], claims["Tags"]) == ("a", {"k": ["v", "w"]})
    pem = tmp_path / "key.pem"
    pem.write_text((await ursactl("generate", "signing-key", "--format", "pem")).out)
    public = (await ursactl("generate", "public-key", "--signing-key-path", str(pem))).out
    offline = await ursactl(
        "generate user-token --name jo --group ops --valid-for 1h --kid 7 --signing-key-path",
        str(pem),
    )
    assert jwt.decode(offline.out, public, ["RS256"])["Groups"] == ["ops"]
    assert jwt.get_unverified_header(offline.out)["kid"] == "7"


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("", ["ingress", "egress"]),
        ("--scope egress,ingress", ["egress", "ingress"]),
        ("--scope egress --scope ingress", ["egress", "ingress"]),
        ("--scope cp", ["cp"]),
    ],
)
async def test_scopes_of_zone_tokens(ursactl: Ursactl, scope: str, expected: list[str]) -> None:
    import jwt

    issued = await ursactl(f"generate zone-token --zone z {scope} --valid-for 1h")
    claims = jwt.decode(issued.out, options={"verify_signature": False})
    assert (claims["Zone"], claims["Scope"]) == ("z", expected)


async def test_a_zone_token_for_nothing_that_exists(ursactl: Ursactl) -> None:
    refused = await ursactl("generate zone-token --zone z --scope cp,foo --valid-for 1h")
    assert (refused.status, refused.out) == (1, "")
    assert "invalid --scope values: [foo]" in refused.err


async def test_certificates(ursactl: Ursactl, tmp_path: Path) -> None:
    from cryptography import x509

    key, cert = tmp_path / "k.pem", tmp_path / "c.pem"
    result = await ursactl(
        "generate tls-certificate --type server --hostname a.b,10.0.0.1 --key-type ecdsa --key-file",
        str(key),
        "--cert-file",
        str(cert),
    )
    assert result.status == 0, result.err
    names = x509.load_pem_x509_certificate(cert.read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["a.b"]
    assert key.stat().st_mode & 0o077 == 0


async def test_control_planes_are_remembered(ursactl: Ursactl, zone: ControlPlane) -> None:
    url = f"http://{zone.client.host}:{zone.client.port}"
    added = await ursactl("config", "control-planes", "add", "--name", "b", "--address", url)
    assert added.out.splitlines() == ['added Control Plane "b"', 'switched active Control Plane to "b"']
    again = await ursactl("config", "control-planes", "add", "--name", "b", "--address", url)
    assert again.err.startswith('Error: Control Plane with name "b" already exists.')
    listed = (await ursactl("config", "control-planes", "list")).out.splitlines()
    assert [line.split() for line in listed[1:]] == [["local", "http://localhost:5681"], ["z", url], ["*", "b", url]]
    assert (await ursactl("config", "control-planes", "switch", "--name", "z")).status == 0
    assert (await ursactl("config", "control-planes", "remove", "--name", "b")).status == 0
    assert (await ursactl("config", "control-planes", "switch", "--name", "b")).status == 1


async def test_an_unreachable_control_plane_is_told_with_what_to_do(ursactl: Ursactl) -> None:
    await ursactl("config control-planes add --skip-check --name gone --address http://127.0.0.1:1")
    result = await ursactl("get", "meshes")
    assert (result.status, result.err.splitlines()) == (
        1,
        [
            "Error: cannot reach the control plane at http://127.0.0.1:1: connection refused",
            "Hint: is it running? `ursactl config control-planes list` shows which one was asked",
        ],
    )
    assert (await ursactl("version")).status == 0


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["get", "meshes"], ["apply", "-f", "-"]])
def test_the_tool_loads_only_what_a_command_needs(arguments: list[str]) -> None:
    """What makes starting slow is loading; what servers, proxies and policies' effects need, no command does."""
    heavy = ["aiohttp", "grpc", "envoy", "pydantic", "cryptography", "rich", "ursa.ir", "ursa.store", "ursa.view"]
    if "apply" not in arguments:
        heavy += ["google.protobuf", "yaml", "asyncio"]
    script = (
        "import sys; from ursa.cli.main import run; "
        f"run(['--no-config', *{arguments!r}]); "
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], input="type: Mesh\nname: m\n", capture_output=True, text=True
    )
    assert found.stdout.splitlines()[-1] == "[]", found
