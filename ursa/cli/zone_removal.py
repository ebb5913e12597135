"""Takes a zone out of a mesh for good: drains, disables and deletes it. A step that was made before is skipped."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from ursa.cli.client import path_of
from ursa.cli.failures import CommandFailed, ServerRefused
from ursa.cli.session import Session
from ursa.model.kind import Family, Sync
from ursa.model.labels import IN_ZONE, ORIGIN, ZONE
from ursa.model.timestamps import SECOND, parse_timestamp

LONGEST_LOOK, SHORTEST_LOOK = 30.0, 0.2
"""Seconds between two looks at a zone that is drained; a look is due when the next step is."""

HELD_LOOK = 2.0
"""The same while nobody can tell when the next step is due."""

Say = Callable[[str], None]


def find_zone(session: Session, name: str) -> Mapping[str, Any] | None:
    """The Zone, None when there is none."""
    try:
        document: Mapping[str, Any] = session.client.get(path_of("zones", name)).document
    except ServerRefused as refused:
        if refused.status == 404:
            return None
        raise
    return document


def sent_by(session: Session, name: str) -> Counter[str]:
    """How many objects of each kind the zone has sent, which vanish with it."""
    found: Counter[str] = Counter()
    for kind in session.registry:
        if Sync.UP in kind.sync and kind.path and kind.family is not Family.INSIGHT:
            labels = (item.get("labels") or {} for item in session.client.pages(session.path(kind, "")))
            found[kind.name] = sum(one.get(ORIGIN) == IN_ZONE and one.get(ZONE) == name for one in labels)
    return +found


def wait_until_drained(session: Session, name: str, say: Say) -> None:
    """Returns when the zone gets nothing from others any more; tells each step.

    Raises:
        CommandFailed: somebody has given it its traffic back meanwhile.
    """
    share, held = None, None
    while True:
        document = session.client.get(path_of("zones", name, "_drain")).document
        if document["share"] != share:
            share = document["share"]
            say(f"zone {name} gets {share} % of its weight from other zones")
        if document.get("heldSince") != held:
            held = document.get("heldSince")
            services = ", ".join(f"{one['service']} (mesh {one['mesh']})" for one in document["stranded"])
            say(f"zone {name} is held, nobody else can take over {services}" if held else f"zone {name} drains on")
        if document["state"] == "drained":
            return
        if document["state"] != "draining":
            raise CommandFailed(f"zone {name} is not drained any more, its state is {document['state']}")
        left = (
            (parse_timestamp(document["nextStepAt"]) - time.time_ns()) / SECOND if document["nextStepAt"] else HELD_LOOK
        )
        time.sleep(min(max(left, SHORTEST_LOOK), LONGEST_LOOK))


def disable(session: Session, zone: Mapping[str, Any]) -> None:
    """Makes the others forget what the zone offers."""
    spec = {key: zone[key] for key in ("type", "name", "labels") if key in zone}
    session.client.call("PUT", path_of("zones", zone["name"]), {**spec, "enabled": False})


def delete(session: Session, name: str) -> None:
    """Deletes the zone and what it has sent.

    Raises:
        CommandFailed: its control plane still runs.
    """
    try:
        session.client.call("DELETE", path_of("zones", name))
    except ServerRefused as refused:
        if refused.status != 400:
            raise
        text = f"zone {name} is drained and disabled, but not deleted yet: {'; '.join(refused.notes) or refused}"
        raise CommandFailed(text, ["Hint: shut its control plane down, then run this again"]) from None
