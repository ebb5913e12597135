"""`ursactl wait`: returns when an object is as it should be; it watches, and does not ask again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click

from ursa.cli.failures import CommandFailed
from ursa.cli.session import Session, mesh_option, pass_session, type_argument
from ursa.model.duration import parse_go
from ursa.model.kind import Kind

Is = Callable[[dict[str, Any] | None], bool]
"""Whether an object, None when there is none, is as it should be."""

CREATED, DELETED, ONLINE = "created", "deleted", "online"
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
    observed, reached = kind, _condition(wanted)
    if wanted == ONLINE:
        if not kind.insight:
            raise CommandFailed(f"nothing tells whether a {kind.name} is online")
        observed = session.registry[kind.insight]
    if not _reached(session, observed, mesh, name, reached, _seconds(timeout)):
        raise CommandFailed(f"{kind.name} {name} was not {wanted} within {timeout}")
    click.echo(f"{kind.name.lower()}.{name} {wanted}")


def _reached(session: Session, kind: Kind, mesh: str, name: str, reached: Is, seconds: float) -> bool:
    """Follows the object until it is as it should be, or the time is up."""
    end = time.monotonic() + seconds
    current: dict[str, Any] | None = None
    synced = False
    for line in session.client.lines(session.path(kind, mesh), {"watch": "true", "name": name}, end):
        item = line.get("object") or {}
        synced = synced or line["change"] == "synced"
        if item.get("name") == name:
            current = None if line["change"] == "deleted" else item
        if synced and reached(current):
            return True
    return False


def _condition(wanted: str) -> Is:
    if wanted == CREATED:
        return lambda item: item is not None
    if wanted == DELETED:
        return lambda item: item is None
    if wanted == ONLINE:
        return _online
    field, equals, value = wanted.partition("=")
    if not field or not equals:
        raise CommandFailed(f"--for: {wanted}: use created, deleted, online or FIELD=VALUE")
    return lambda item: item is not None and _text(_at(item, field)) == value


def _online(insight: dict[str, Any] | None) -> bool:
    return any(not s.get("disconnectTime") for s in (insight or {}).get("subscriptions") or ())


def _at(item: Any, field: str) -> Any:
    for part in field.split("."):
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
