"""`ursactl zone`: takes the traffic that other zones send to one away, gradually, and gives it back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from ursa.cli import zone_removal
from ursa.cli.client import path_of
from ursa.cli.output import print_document, print_table
from ursa.cli.session import Session, output_option, pass_session

PROGRESS = ("ZONE", "STATE", "SHARE", "STEPS", "NEXT STEP", "ENDS")
OTHERS = ("OTHER ZONE", "WEIGHTS", "HAS THE NEWEST", "NOTE")


@click.group()
def command() -> None:
    """Take the traffic that other zones send to one away, and give it back."""


@command.command()
@click.argument("name")
@click.option("--over", default="", metavar="DURATION", help="how long it takes, as in 10m; 0s for at once")
@click.option("--force", is_flag=True, help="even if some services can be served nowhere else")
@click.option("--dry-run", is_flag=True, help="only say whether other zones could take over")
@output_option
@pass_session
def drain(session: Session, name: str, over: str, force: bool, dry_run: bool, output: str) -> None:
    """Make other zones send less and less to a zone, in the end nothing; its own traffic is not touched."""
    body = {**({"over": over} if over else {}), **({"force": True} if force else {})}
    document = _order(session, path_of("zones", name, "_drain"), body, dry_run=dry_run)
    if output != "table":
        print_document(document, output)
        return
    if dry_run:
        click.echo(f"zone {name} can be drained")
    elif document["state"] == "drained":
        click.echo(f"zone {name} is drained (revision {document['revision']})")
    else:
        steps = document["steps"]["total"]
        click.echo(f"zone {name} drains over {document['over']} in {steps} steps (revision {document['revision']})")
    _warn(document)


@command.command()
@click.argument("name")
@click.option("--over", default="", metavar="DURATION", help="how long it takes, as in 10m; at once if not given")
@output_option
@pass_session
def undrain(session: Session, name: str, over: str, output: str) -> None:
    """Make other zones send traffic to a zone again."""
    document = _order(session, path_of("zones", name, "_undrain"), {"over": over} if over else {})
    if output != "table":
        print_document(document, output)
    elif document["state"] == "none":
        click.echo(f"zone {name} has all of its weight")
    else:
        steps = document["steps"]["total"]
        click.echo(f"zone {name} comes back over {document['over']} in {steps} steps (revision {document['revision']})")


@command.command()
@click.argument("name")
@output_option
@pass_session
def progress(session: Session, name: str, output: str) -> None:
    """Show how far a zone is on its way out or back."""
    document = session.client.get(path_of("zones", name, "_drain")).document
    if output != "table":
        print_document(document, output)
        return
    print_table(PROGRESS, [_row(document)])
    print_table(OTHERS, map(_other, document["zones"]))
    _warn(document)


@command.command()
@click.argument("name")
@click.option("--over", default="", metavar="DURATION", help="how long draining takes; 0s for at once")
@click.option("--force", is_flag=True, help="even if some services can be served nowhere else")
@click.option("--dry-run", is_flag=True, help="only say what would vanish")
@click.option("-y", "--yes", is_flag=True, help="do not ask")
@pass_session
def remove(session: Session, name: str, over: str, force: bool, dry_run: bool, yes: bool) -> None:
    """Take a zone out for good: drain, disable, delete. Run again, it goes on where it ended."""
    zone = zone_removal.find_zone(session, name)
    if zone is None:
        click.echo(f"zone {name} is not there")
        return
    for kind, count in sorted(zone_removal.sent_by(session, name).items()):
        click.echo(f"would vanish: {count} {kind}" if dry_run else f"will vanish: {count} {kind}")
    body = {**({"over": over} if over else {}), **({"force": True} if force else {})}
    document = _order(session, path_of("zones", name, "_drain"), body, dry_run=True)
    _warn(document)
    if dry_run:
        return
    if not yes:
        click.confirm(f"Remove zone {name}?", abort=True)
    _order(session, path_of("zones", name, "_drain"), body)
    zone_removal.wait_until_drained(session, name, click.echo)
    if zone.get("enabled") is not False:
        zone_removal.disable(session, zone)
        click.echo(f"zone {name} is disabled")
    zone_removal.delete(session, name)
    click.echo(f"zone {name} is deleted")


def _order(session: Session, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> Any:
    return session.client.call("POST", f"{path}?dryRun=true" if dry_run else path, body).document


def _row(document: Mapping[str, Any]) -> tuple[str, ...]:
    steps = document.get("steps") or {"made": 0, "total": 0}
    return (
        document["zone"],
        "held" if document.get("heldSince") else document["state"],
        f"{document['share']} %",
        f"{steps['made']}/{steps['total']}",
        document.get("nextStepAt") or "-",
        document.get("endsAt") or "-",
    )


def _other(zone: Mapping[str, Any]) -> tuple[str, ...]:
    stored = {True: "yes", False: "not yet", None: "unknown"}[zone["stored"]]
    return zone["name"], zone["weights"], stored, zone["note"] or "-"


def _warn(document: Mapping[str, Any]) -> None:
    """What is lost or cannot be done, on standard error."""
    for line in _losses(document):
        click.echo(f"Warning: {line}", err=True)


def _losses(document: Mapping[str, Any]) -> Iterable[str]:
    if held := document.get("heldSince"):
        yield f"held at {document['share']} % since {held}: goes on when others can take over, or with --force"
    for one in document["stranded"]:
        whose = f" for clients in {', '.join(one['clients'])}" if one["clients"] else ""
        yield f"{one['service']} (mesh {one['mesh']}) has no healthy endpoint in another zone{whose}"
    for zone in document["zones"]:
        if zone["weights"] == "whole instances":
            yield f"zone {zone['name']}: {zone['note']}"
