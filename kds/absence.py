"""Zones that are not there, and what other zones are told meanwhile: their ingresses come last, later not at all.

The leader of the global decides and writes the verdict down; every replica offers accordingly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from ursa.model.resource import Resource
from ursa.view.view import View

CONFIG = "ursa-absent-zones"
"""The Config that holds the verdicts; it never leaves the global."""

LAPSED, EJECTED = "lapsed", "ejected"


@dataclass(frozen=True, slots=True)
class Absences:
    """Verdicts.

    Attributes:
        lapsed: zones whose ingresses others use only when nothing else is left.
        ejected: zones whose ingresses others do not get.
    """

    lapsed: frozenset[str] = frozenset()
    ejected: frozenset[str] = frozenset()

    def differing(self, other: Absences) -> frozenset[str]:
        """Zones about which the two differ."""
        return (self.lapsed ^ other.lapsed) | (self.ejected ^ other.ejected)


def read_absences(view: View) -> Absences:
    """The verdicts of a global; what cannot be read is none."""
    config = view.get("Config", "", CONFIG)
    try:
        verdicts = orjson.loads(str(config.spec.get("config", ""))) if config is not None else {}
    except orjson.JSONDecodeError:
        return Absences()
    return Absences(
        frozenset(zone for zone, verdict in verdicts.items() if verdict == LAPSED),
        frozenset(zone for zone, verdict in verdicts.items() if verdict == EJECTED),
    )


def absences_config(verdicts: Mapping[str, str]) -> Resource:
    """The Config of verdicts by zone."""
    text = orjson.dumps(dict(verdicts), option=orjson.OPT_SORT_KEYS).decode()
    return Resource("Config", "", CONFIG, {"config": text})
