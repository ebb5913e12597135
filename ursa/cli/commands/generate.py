"""`ursactl generate`: tokens from the control plane or from a key at hand, signing keys, certificates."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ursa.cli import keys
from ursa.cli.failures import CommandFailed
from ursa.cli.session import Session, mesh_option, pass_session
from ursa.model.duration import format_go, parse_go

F = TypeVar("F", bound=Callable[..., Any])

SCOPES = ("ingress", "egress")
"""What a zone token is good for as Kuma knows it, and what one is good for when nothing is said."""
CONTROL_PLANE_SCOPE = "cp"
"""Ours: such a token lets a zone's control plane connect to a global that requires zone tokens."""
_SECOND = 1_000_000_000


def comma_separated(_ctx: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """The values of a list option, which may be repeated, separated by commas, or both, as in `kumactl`."""
    return tuple(value for text in given for value in text.split(",") if value)


def _token_options(function: F) -> F:
    function = click.option("--valid-for", required=True, help="life of the token, such as 24h")(function)
    function = click.option("--kid", default="", help="id of the key at --signing-key-path")(function)
    return click.option("--signing-key-path", default="", help="sign here with this key, without a control plane")(
        function
    )


@click.group()
def command() -> None:
    """Make tokens, keys and certificates."""


@command.command(name="dataplane-token")
@mesh_option
@click.option("--name", default="", help="only for the proxy of this name")
@click.option("--tag", "tags", multiple=True, help="NAME=VALUE[,VALUE…] the proxy must have; may be repeated")
@click.option("--proxy-type", "--type", default="", help="dataplane, ingress or egress")
@click.option("--workload", default="", help="only for proxies of this workload")
@_token_options
@pass_session
def dataplane_token(
    session: Session,
    mesh: str,
    name: str,
    tags: tuple[str, ...],
    proxy_type: str,
    workload: str,
    valid_for: str,
    kid: str,
    signing_key_path: str,
) -> None:
    """Print a token that lets a proxy join a mesh."""
    allowed = {key: values.split(",") for key, _, values in (tag.partition("=") for tag in tags)}
    life = _life(valid_for, "dataplane")
    if _offline(kid, signing_key_path):
        from ursa.identity.tokens import DataplaneClaims

        claims = DataplaneClaims(name, mesh, allowed, proxy_type, workload)
        click.echo(keys.sign_for_dataplane(_key(signing_key_path), kid, claims, life / _SECOND), nl=False)
        return
    body = {"name": name, "mesh": mesh, "tags": allowed, "type": proxy_type, "workload": workload}
    _issue(session, "/tokens/dataplane", body, life)


@command.command(name="zone-token")
@click.option("--zone", required=True)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    callback=comma_separated,
    default=SCOPES,
    show_default=True,
    help="what the token is good for: ingress, egress, or cp for a zone's control plane; may be repeated",
)
@_token_options
@pass_session
def zone_token(
    session: Session, zone: str, scopes: tuple[str, ...], valid_for: str, kid: str, signing_key_path: str
) -> None:
    """Print a token for zone ingresses and egresses, or for the control plane of a zone."""
    if wrong := [one for one in scopes if one not in (*SCOPES, CONTROL_PLANE_SCOPE)]:
        # The list is the one that Kuma prints; tools match the whole line.
        raise CommandFailed(f"invalid --scope values: [{' '.join(wrong)}] (supported scopes: [{' '.join(SCOPES)}])")
    life = _life(valid_for, "zone")
    if _offline(kid, signing_key_path):
        from ursa.identity.tokens import ZoneClaims

        claims = ZoneClaims(zone, scopes)
        click.echo(keys.sign_for_zone(_key(signing_key_path), kid, claims, life / _SECOND), nl=False)
        return
    _issue(session, "/tokens/zone", {"zone": zone, "scope": list(scopes)}, life)


@command.command(name="user-token")
@click.option("--name", required=True)
@click.option("--group", "groups", multiple=True, callback=comma_separated, help="may be repeated or comma-separated")
@_token_options
@pass_session
def user_token(
    session: Session, name: str, groups: tuple[str, ...], valid_for: str, kid: str, signing_key_path: str
) -> None:
    """Print a token for a user of the API."""
    life = _life(valid_for, "user")
    if _offline(kid, signing_key_path):
        from ursa.identity.user_tokens import UserClaims

        click.echo(keys.sign_for_user(_key(signing_key_path), kid, UserClaims(name, groups), life / _SECOND), nl=False)
        return
    _issue(session, "/tokens/user", {"name": name, "groups": list(groups)}, life)


@command.command(name="signing-key")
@click.option("--format", "form", type=click.Choice(["pem-base64", "pem"]), default="pem-base64", show_default=True)
def signing_key(form: str) -> None:
    """Print a new key that signs tokens."""
    from ursa.identity.pem import new_rsa_key, rsa_private_pem

    pem = rsa_private_pem(new_rsa_key())
    click.echo(pem.decode() if form == "pem" else base64.b64encode(pem).decode(), nl=form != "pem")


@command.command(name="public-key")
@click.option("--signing-key-path", required=True)
def public_key(signing_key_path: str) -> None:
    """Print the public half of a signing key."""
    click.echo(keys.public_half(_key(signing_key_path)).decode(), nl=False)


@command.command(name="tls-certificate")
@click.option("--type", "purpose", type=click.Choice(["server", "client"]), required=True)
@click.option(
    "--hostname",
    "hostnames",
    multiple=True,
    required=True,
    callback=comma_separated,
    help="may be repeated or comma-separated",
)
@click.option("--key-type", type=click.Choice(["rsa", "ecdsa"]), default="rsa", show_default=True)
@click.option("--key-file", default="key.pem", show_default=True, help="- for standard output")
@click.option("--cert-file", default="cert.pem", show_default=True, help="- for standard output")
def tls_certificate(purpose: str, hostnames: tuple[str, ...], key_type: str, key_file: str, cert_file: str) -> None:
    """Make a self-signed certificate that is good for ten years."""
    certificate, key = keys.self_signed(list(hostnames), server=purpose == "server", elliptic=key_type == "ecdsa")
    _save("Private key", key_file, key, 0o600)
    _save("Certificate", cert_file, certificate, 0o644)


def _save(what: str, path: str, pem: bytes, mode: int) -> None:
    if path == "-":
        click.echo(pem.decode(), nl=False)
        return
    try:
        Path(path).touch(mode)
        Path(path).write_bytes(pem)
    except OSError as error:
        raise CommandFailed(f"cannot write {path}: {error.strerror}") from None
    click.echo(f"{what} saved in {path}")


def _issue(session: Session, path: str, body: dict[str, Any], life: int) -> None:
    answer = session.client.call("POST", path, {**body, "validFor": format_go(life)}, accept="*/*")
    click.echo(answer.text, nl=False)


def _life(text: str, what: str) -> int:
    try:
        life = parse_go(text)
    except ValueError as error:
        raise CommandFailed(f"--valid-for: {error}") from None
    if life <= 0:
        raise CommandFailed(f"failed to generate a {what} token: You must set a token validFor value")
    return life


def _offline(kid: str, path: str) -> bool:
    if path and not kid:
        raise CommandFailed("--kid is required when --signing-key-path is used")
    if kid and not path:
        raise CommandFailed("--kid needs --signing-key-path")
    return bool(path)


def _key(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CommandFailed(f"cannot read {path}: {error.strerror}") from None
