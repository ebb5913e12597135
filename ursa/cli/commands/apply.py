"""`ursactl apply`: checks all documents first, then sends them one by one and says what each changed."""

from __future__ import annotations

import click

from ursa.cli.failures import CommandFailed
from ursa.cli.manifests import parse_variables, read_documents
from ursa.cli.output import yaml_of
from ursa.cli.resources import Sent, body_of, check_all, send
from ursa.cli.rollout import Arrival, wait_for
from ursa.cli.session import Session, files_option, pass_session, variables_option
from ursa.model.duration import parse_go
from ursa.model.resource import Resource


@click.command()
@files_option(required=True)
@variables_option
@click.option(
    "--dry-run",
    type=click.Choice(["none", "client", "server"]),
    is_flag=False,
    flag_value="client",
    default="none",
    help="client: print what would be sent; server: let the control plane check it",
)
@click.option(
    "--wait",
    type=click.Choice(["none", "stored", "complete"]),
    is_flag=False,
    flag_value="complete",
    default="none",
    help="wait until zones have stored it, or until their proxies have it, too",
)
@click.option("--timeout", default="30s", show_default=True, help="how long to wait, as in 1m30s")
@click.option("--zones", default="", help="wait for these zones only, separated by commas")
@pass_session
def command(
    session: Session,
    files: tuple[str, ...],
    variables: tuple[str, ...],
    dry_run: str,
    wait: str,
    timeout: str,
    zones: str,
) -> None:
    """Create or change resources from files."""
    arrival = Arrival(wait, _duration(timeout), tuple(filter(None, zones.split(",")))) if wait != "none" else None
    documents = read_documents(files, parse_variables(variables))
    if not documents:
        raise CommandFailed("no resource(s) passed to apply")
    resources = check_all(session, documents)
    if dry_run == "client":
        click.echo("---\n".join(yaml_of(body_of(resource, session)) for resource in resources), nl=False)
        return
    for resource in resources:
        if dry_run == "server":
            tell(resource, send(session, resource, on_trial=True), " (dry run)")
            continue
        sent = send(session, resource)
        if arrival is not None and sent.revision:
            _tell_arrival(session, resource, sent, arrival)
        else:
            tell_as_kuma(resource, sent)


def _duration(text: str) -> int:
    """Nanoseconds; raises CommandFailed."""
    try:
        return parse_go(text)
    except ValueError as error:
        raise CommandFailed(f"--timeout: {error}") from None


def _tell_arrival(session: Session, resource: Resource, sent: Sent, arrival: Arrival) -> None:
    """Prints what became of one resource, and how it arrived; the first even if the second cannot be told."""
    try:
        text = wait_for(session, sent.revision, arrival)
    except CommandFailed:
        tell(resource, sent, revision_of(sent))
        raise
    tell(resource, sent, f"{revision_of(sent)}: {text}")


def revision_of(sent: Sent) -> str:
    """The revision that a write produced, in parentheses, if the control plane tells it."""
    return f" (revision {sent.revision})" if sent.revision else ""


def tell_as_kuma(resource: Resource, sent: Sent) -> None:
    """Prints what became of one resource in the words that scripts around Kuma's tool look for."""
    what = f'resource type="{resource.kind}" mesh="{resource.mesh}" name="{resource.name}"'
    word = "Created" if sent.change == "created" else "Updated"
    note = " (unchanged)" if sent.change == "unchanged" else revision_of(sent)
    click.echo(f"{what} {word}{note}")
    _warn(sent)


def tell(resource: Resource, sent: Sent, suffix: str) -> None:
    """Prints what became of one resource."""
    click.echo(f"{resource.kind.lower()}.{resource.name} {sent.change}{suffix}")
    _warn(sent)


def _warn(sent: Sent) -> None:
    for warning in sent.warnings:
        click.echo(f"Warning: {warning}", err=True)
