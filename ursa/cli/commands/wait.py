"""`ursactl wait`: returns when an object is as it should be; it watches, and does not ask again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import click

from ursa.cli.failures import CommandFailed, Unreachable
from ursa.cli.session import Session, mesh_option, pass_session, type_argument
from ursa.model.duration import parse_go
from ursa.model.kind import Kind
from ursa.model.labels import ZONE

Is = Callable[[dict[str, Any] | None], bool]
"""Whether an object, None when there is none, is as it should be."""

CREATED, DELETED, ONLINE = "created", "deleted", "online"
AGAIN = 1.0
"""Seconds until a control plane that went away is asked again."""
_SECOND = 1_000_000_000


@click.command()
@type_argument
@click.argument("name")
@mesh_option
@click.option(
    "--for",
    "wanted",
    required=True,
    metavar="created|deleted|online|FIELD=VALUE",
    help="that it exists, that it is gone, that it is connected, or that a field, like spec.state, has a value",
)
@click.option("--timeout", default="30s", show_default=True, help="how long")
@pass_session
def command(session: Session, type_: str, name: str, mesh: str, wanted: str, timeout: str) -> None:
    """Wait until a resource is as it should be."""
    kind = session.kind(type_)
    end = time.monotonic() + _seconds(timeout)
    if wanted == ONLINE:
        there = _connected(session, kind, mesh, name, end)
    else:
        there = _reached(session, kind, mesh, name, _condition(wanted), end)
    if not there:
        raise CommandFailed(f"{kind.name} {name} was not {wanted} within {timeout}")
    click.echo(f"{kind.name.lower()}.{name} {wanted}")


def _connected(session: Session, kind: Kind, mesh: str, name: str, end: float) -> bool:
    """Follows the insight until the object is connected. What a zone said that is not seen any more does not count."""
    if not kind.insight:
        raise CommandFailed(f"nothing tells whether a {kind.name} is online")
    while _reached(session, session.registry[kind.insight], mesh, name, _online, end):
        zone = _unseen_zone(session, kind, mesh, name)
        if not zone:
            return True
        if not _reached(session, session.registry["ZoneInsight"], "", zone, _online, end):
            return False
    return False


def _unseen_zone(session: Session, kind: Kind, mesh: str, name: str) -> str:
    """The zone of the object if the control plane does not see it, else empty."""
    if not kind.overview:
        return ""
    overview = session.client.get(session.path(kind, mesh, name, "_overview")).document
    return str(_at(overview, "labels", ZONE) or "") if overview.get("status") == "unknown" else ""


def _reached(session: Session, kind: Kind, mesh: str, name: str, reached: Is, end: float) -> bool:
    """Follows the object until it is as it should be, or the time is up.

    A control plane that goes away meanwhile may come back in time; one that was not there to begin with is an error.
    """
    begun = False
    while True:
        try:
            for state in _states(session, kind, mesh, name, end):
                begun = True
                if reached(state):
                    return True
            return False
        except Unreachable:
            if not begun or time.monotonic() + AGAIN >= end:
                raise
        time.sleep(AGAIN)


def _states(session: Session, kind: Kind, mesh: str, name: str, end: float) -> Iterator[dict[str, Any] | None]:
    """The object as it is, None when it is not there, and again with every change."""
    current: dict[str, Any] | None = None
    synced = False
    for line in session.client.lines(session.path(kind, mesh), {"watch": "true", "name": name}, end):
        item = line.get("object") or {}
        synced = synced or line["change"] == "synced"
        if item.get("name") == name:
            current = None if line["change"] == "deleted" else item
        if synced:
            yield current


def _condition(wanted: str) -> Is:
    if wanted == CREATED:
        return lambda item: item is not None
    if wanted == DELETED:
        return lambda item: item is None
    field, equals, value = wanted.partition("=")
    if not field or not equals:
        raise CommandFailed(f"--for: {wanted}: use created, deleted, online or FIELD=VALUE")
    return lambda item: item is not None and _text(_at(item, *field.split("."))) == value


def _online(insight: dict[str, Any] | None) -> bool:
    return any(not s.get("disconnectTime") for s in (insight or {}).get("subscriptions") or ())


def _at(item: Any, *path: str) -> Any:
    for part in path:
        if isinstance(item, list) and part.isdecimal():
            item = item[int(part)] if int(part) < len(item) else None
        else:
            item = item.get(part) if isinstance(item, dict) else None
    return item


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seconds(text: str) -> float:
    try:
        return parse_go(text) / _SECOND
    except ValueError as error:
        raise CommandFailed(f"--timeout: {error}") from None
