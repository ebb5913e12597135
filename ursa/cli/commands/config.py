"""`ursactl config`: the control planes this tool knows, and which one it talks to."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import click

from ursa.cli.client import Client
from ursa.cli.failures import CommandFailed
from ursa.cli.manifests import parse_variables
from ursa.cli.output import print_table
from ursa.cli.session import Session, pass_session
from ursa.cli.settings import ControlPlane

PRODUCT = "Kuma"


@click.group()
def command() -> None:
    """Manage the control planes this tool knows."""


@command.command()
@pass_session
def view(session: Session) -> None:
    """Print the configuration, tokens included."""
    click.echo(session.contexts.text(), nl=False)


@command.group(name="control-planes")
def control_planes() -> None:
    """List, add, switch and remove control planes."""


@control_planes.command(name="list")
@pass_session
def list_(session: Session) -> None:
    """List known control planes."""
    contexts = session.contexts
    rows = [("*" if name == contexts.current else "", name, plane.url) for name, plane in contexts.all.items()]
    print_table(("ACTIVE", "NAME", "ADDRESS"), rows)


@control_planes.command()
@click.option("--name", required=True)
@click.option("--address", required=True, help="http://host:5681 or https://host:5682")
@click.option("--overwrite", is_flag=True, help="replace one of that name")
@click.option("--skip-check", is_flag=True, help="do not try to reach it now")
@click.option("--skip-verify", is_flag=True, help="do not verify its certificate")
@click.option("--ca-cert-file", default="", help="PEM file its certificate is verified with")
@click.option("--client-cert-file", default="")
@click.option("--client-key-file", default="")
@click.option("--headers", multiple=True, help="NAME=VALUE, sent with every request")
@click.option("--auth-type", default="", help="tokens")
@click.option("--auth-conf", multiple=True, help="token=JWT")
@pass_session
def add(session: Session, /, overwrite: bool, skip_check: bool, **options: object) -> None:
    """Add a control plane and make it the active one."""
    plane = _plane(options)
    if not skip_check:
        _check(session, plane)
    session.contexts.add(plane, overwrite=overwrite)
    session.contexts.save()
    click.echo(f'added Control Plane "{plane.name}"')
    click.echo(f'switched active Control Plane to "{plane.name}"')


@control_planes.command()
@click.option("--name", required=True)
@pass_session
def switch(session: Session, name: str) -> None:
    """Make a control plane the active one."""
    session.contexts.switch(name)
    session.contexts.save()
    click.echo(f'switched active Control Plane to "{name}"')


@control_planes.command()
@click.option("--name", required=True)
@pass_session
def remove(session: Session, name: str) -> None:
    """Forget a control plane."""
    before = session.contexts.current
    session.contexts.remove(name)
    session.contexts.save()
    click.echo(f'removed Control Plane "{name}"')
    after = session.contexts.current
    if not after:
        click.echo("there is no active Control Plane left. Use `config control-planes add` to add a Control Plane")
    elif after != before:
        click.echo(f'switched active Control Plane to "{after}"')


def _plane(options: dict[str, object]) -> ControlPlane:
    address = str(options["address"])
    if urlsplit(address).scheme not in ("http", "https"):
        raise CommandFailed(f"API Server URL is invalid: {address}: it begins with http:// or https://")
    if bool(options["client_cert_file"]) != bool(options["client_key_file"]):
        raise CommandFailed("Both --client-cert-file and --client-key-file needs to be specified")
    return ControlPlane(
        name=str(options["name"]),
        url=address,
        ca_cert_file=str(options["ca_cert_file"]),
        client_cert_file=str(options["client_cert_file"]),
        client_key_file=str(options["client_key_file"]),
        skip_verify=bool(options["skip_verify"]),
        headers=parse_variables(_texts(options["headers"])),
        token=_token(str(options["auth_type"]), _texts(options["auth_conf"])),
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, tuple) else ()


def _token(kind: str, conf: tuple[str, ...]) -> str:
    if not kind:
        return ""
    if kind != "tokens":
        raise CommandFailed(f'authentication plugin of type "{kind}" is not found')
    token = parse_variables(conf).get("token", "")
    if not token:
        raise CommandFailed("--auth-conf is not valid: provide token=YOUR_TOKEN")
    return token


def _check(session: Session, plane: ControlPlane) -> None:
    """Whether there is a control plane at all, and whether it takes the token, which Kuma does not look at here."""
    client = Client(replace(plane), session.timeout)
    try:
        index = client.get("/").document
        if plane.token:
            client.get("/who-am-i")
    except CommandFailed as error:
        raise CommandFailed(f"could not connect to the Control Plane API Server: {error}", error.notes) from None
    product = index.get("product", "") if isinstance(index, dict) else ""
    if product != PRODUCT and "preview" not in str(index.get("version", "")):
        raise CommandFailed(
            f"this CLI is for Kuma but the control plane you're connected to is {product or 'something else'}. "
            "Please use the CLI for your control plane"
        )
