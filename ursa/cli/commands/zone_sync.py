"""`ursactl inspect zone-sync`: whether data flows to and from zones, type by type, and what is held back and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from ursa.cli.ages import age
from ursa.cli.client import path_of
from ursa.cli.failures import CommandFailed, ServerRefused
from ursa.cli.output import print_document, print_table
from ursa.cli.session import Session, output_option, pass_session
from ursa.runtime.clock import SystemClock

ZONES = ("ZONE", "STATUS", "FOR", "REVISIONS BEHIND", "CONNECTED TO", "INGRESSES", "REASONS")
NOT_FOUND = 404
TYPES = ("DIRECTION", "TYPE", "RESPONSES", "REVISION", "LAST AGO", "HELD BACK")


@click.command(name="zone-sync")
@click.argument("name", required=False)
@output_option
@pass_session
def zone_sync(session: Session, name: str | None, output: str) -> None:
    """Show how far zones are; with a NAME, type by type."""
    now = SystemClock().now_ns()
    path = path_of("zones", name, "_sync") if name else "/zones/_status"
    try:
        document = session.client.get(path).document
    except ServerRefused as error:
        if error.status != NOT_FOUND:
            raise
        raise CommandFailed(_not_here(name)) from None
    if output != "table":
        print_document(document, output)
    elif name is None:
        print_table(ZONES, (_zone(item, now) for item in document["items"]))
    else:
        if "attempts" in document:
            click.echo(f"{_connection(document, now)}\n")
        print_table(TYPES, _types(document, now))
        for line in _held_back(document):
            click.echo(line)


def _not_here(name: str | None) -> str:
    if name is None:
        return "this control plane is not a global; `inspect zone-sync NAME` with a zone's own name shows its side"
    return f'no zone "{name}" is connected or registered here; a zone knows only itself, and only below a global'


def _zone(item: Mapping[str, Any], now: int) -> tuple[str, ...]:
    lag = item["lagRevisions"]
    return (
        item["zone"],
        item["status"],
        age(item["since"], now),
        "unknown" if lag is None else str(lag),
        item["heldBy"] or "-",
        item["ingresses"],
        "; ".join(item["reasons"]) or "-",
    )


def _connection(document: Mapping[str, Any], now: int) -> str:
    """How the zone that was asked is connected to its global."""
    since = age(document["since"], now)
    if document["connected"]:
        return f"connected to the global for {since}"
    error = f": {_line(document['lastError'])}" if document["lastError"] else ""
    return f"not connected to the global for {since}, attempts so far: {document['attempts']}{error}"


def _types(document: Mapping[str, Any], now: int) -> Iterator[tuple[str, ...]]:
    for kind, mark in document["sent"].items():
        held = len(mark.get("refused", ())) + len(mark.get("withheld", ()))
        answered = f"{mark['acknowledged'] + mark['rejected']}/{mark['responses']} answered"
        yield "sent", kind, answered, str(mark["acknowledgedRevision"]), age(mark["answeredTime"], now), str(held)
    for kind, mark in document["received"].items():
        responses = f"{mark['responses']} applied"
        held = len(mark["quarantined"])
        yield "received", kind, responses, str(mark["revision"]), age(mark["appliedTime"], now), str(held)


def _held_back(document: Mapping[str, Any]) -> Iterator[str]:
    """A line for every resource that one side does not take, with the reason."""
    for kind, mark in document["sent"].items():
        for name, reason in mark.get("refused", {}).items():
            yield f"refused by the peer: {kind} {name}: {_line(reason)}"
        for name in mark.get("withheld", ()):
            yield f"too large to be sent: {kind} {name}"
    for mark in document["received"].values():
        for key, reason in mark["quarantined"].items():
            yield f"refused here: {key}: {_line(reason)}"
    for key, reason in document.get("unsendable", {}).items():
        yield f"cannot be sent: {key}: {_line(reason)}"


def _line(reason: str) -> str:
    return " ".join(reason.split())
