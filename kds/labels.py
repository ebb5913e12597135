"""Rules about labels that hold for both directions of KDS."""

from __future__ import annotations

from collections.abc import Mapping

from ursa.model.labels import DISPLAY_NAME, KDS_SYNC
from ursa.model.resource import Resource


def admits_sync(resource: Resource) -> bool:
    """Whether its author lets it leave this control plane."""
    return resource.labels.get(KDS_SYNC) != "disabled"


def without_prefixes(labels: Mapping[str, str], prefixes: tuple[str, ...]) -> dict[str, str]:
    """A copy without the labels that an operator keeps at home."""
    return {k: v for k, v in labels.items() if not k.startswith(prefixes)} if prefixes else dict(labels)


def display_kept(labels: dict[str, str], before: str, after: str) -> dict[str, str]:
    """The labels with the author's name in them, if the name changes on the way."""
    if before != after and not labels.get(DISPLAY_NAME):
        labels[DISPLAY_NAME] = before
    return labels
