"""`ursactl export`: everything a control plane holds, as documents that can be applied elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import click

from ursa.cli.client import path_of
from ursa.cli.output import yaml_of
from ursa.cli.session import Session, pass_session
from ursa.model.forms import META

FEDERATION, WITH_POLICIES, ALL, NO_DATAPLANES = "federation", "federation-with-policies", "all", "no-dataplanes"
ADMIN = ("Secret", "GlobalSecret")
LEFT_OUT = ("envoy-admin-ca", "inter-cp-ca")
"""GlobalSecrets that every control plane makes for itself."""

ORIGIN = "kuma.io/origin"
USER_KEYS = "user-token-signing-key"
SYSTEM_NAMESPACE = "kuma-system"


@click.command()
@click.option("-p", "--profile", type=click.Choice([FEDERATION, WITH_POLICIES, ALL, NO_DATAPLANES]), default=FEDERATION)
@click.option("-f", "--format", "form", type=click.Choice(["universal", "kubernetes"]), default="universal")
@click.option("-a", "--include-admin", is_flag=True, help="secrets too; federation profiles always have them")
@click.option(
    "-n",
    "--namespace",
    default=SYSTEM_NAMESPACE,
    show_default=True,
    help="with kubernetes: leave out what is in others; profile all has everything",
)
@pass_session
def command(session: Session, profile: str, form: str, include_admin: bool, namespace: str) -> None:
    """Print resources so that another control plane can take them over."""
    show: Callable[[Mapping[str, Any]], None] = _universal
    if form == "kubernetes":
        show = partial(_kubernetes, session, namespace="" if profile == ALL else namespace)
    index = session.client.get("/").document
    told = ", ".join(f"{key}: {index.get(key[0].lower() + key[1:], '')}" for key in _TOLD)
    click.echo(f"# {told}")
    federation = profile in (FEDERATION, WITH_POLICIES)
    late: list[Mapping[str, Any]] = []
    for item in _items(session, _kinds(session, profile, admin=include_admin or federation)):
        document = prepared(item, federation=federation)
        if document is None:
            continue
        if str(document["name"]).startswith(USER_KEYS):
            late.append(document)
        else:
            show(document)
    for key in late:
        show(key)


_TOLD = ("Product", "Version", "Hostname", "ClusterId", "InstanceId")


def prepared(item: Mapping[str, Any], *, federation: bool) -> dict[str, Any] | None:
    """The document as it is exported, None when it is left out."""
    document = {k: v for k, v in item.items() if k not in ("creationTime", "modificationTime", "kri", "status")}
    if document["type"] == "GlobalSecret" and document["name"] in LEFT_OUT:
        return None
    if document["type"] == "Mesh":
        document["skipCreatingInitialPolicies"] = ["*"]
        if "mtls" in document:
            document["mtls"] = _with_provided_authorities(str(document["name"]), document["mtls"])
    if federation and ORIGIN in document.get("labels", {}):
        document["labels"] = {k: v for k, v in document["labels"].items() if k != ORIGIN}
    return document


def _with_provided_authorities(mesh: str, mtls: Mapping[str, Any]) -> dict[str, Any]:
    """Builtin authorities as provided ones that use the exported secrets; otherwise new ones would be made."""
    backends = []
    for backend in mtls.get("backends", ()):
        if backend.get("type") == "builtin":
            names = {part: f"{mesh}.ca-builtin-{part}-{backend['name']}" for part in ("cert", "key")}
            conf = {part: {"secret": name} for part, name in names.items()}
            backend = {**backend, "type": "provided", "conf": conf}
        backends.append(backend)
    return {**mtls, "backends": backends, "skipValidation": True}


def _kinds(session: Session, profile: str, *, admin: bool) -> list[Mapping[str, Any]]:
    """The kinds of a profile: meshes first, then their secrets, other kinds, global secrets last."""
    listed = session.client.get("/_resources").document["resources"]
    chosen = [k for k in listed if _wanted(k, profile) and (admin or k["name"] not in ADMIN)]
    order = {"Mesh": 0, "Secret": 1, "GlobalSecret": 3}
    return sorted(chosen, key=lambda k: order.get(k["name"], 2))


def _wanted(kind: Mapping[str, Any], profile: str) -> bool:
    if profile == ALL:
        return True
    if profile == NO_DATAPLANES:
        return kind["name"] not in ("Dataplane", "DataplaneInsight")
    policy = kind.get("policy") or {}
    is_policy = bool(policy.get("isTargetRef")) or kind["name"] == "MeshGateway"
    return bool(kind["includeInFederation"]) and (profile == WITH_POLICIES or not is_policy)


def _items(session: Session, kinds: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """All objects of these kinds, every page of them."""
    for kind in kinds:
        yield from session.client.pages(path_of(kind["path"]))


def _universal(document: Mapping[str, Any]) -> None:
    click.echo(f"---\n{yaml_of(document)}", nl=False)


def _kubernetes(session: Session, document: Mapping[str, Any], *, namespace: str) -> None:
    """Prints the object in Kubernetes form unless it is in another namespace than this; empty for any."""
    kind = session.kind(str(document["type"]))
    path = session.path(kind, str(document.get("mesh", "")), str(document["name"]))
    found = session.client.get(path, {"format": "k8s"}).document
    if namespace and found["metadata"].get("namespace", namespace) != namespace:
        return
    found["metadata"].pop("creationTimestamp", None)
    if kind.name == "Mesh":
        # The one kind of which more than the form is changed for the way.
        found["spec"] = {key: value for key, value in document.items() if key not in META}
    _universal(found)
