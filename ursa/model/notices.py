"""What the answer to a write says of policies that this version stores and syncs but does not act on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ursa.model.resource import Resource

Warn = Callable[[Resource], Sequence[str]]


def with_notice(name: str, warnings: Warn) -> Warn:
    """Warnings of a kind whose effect is not built: its own and that."""
    notice = f"{name} is stored and synced, but this version does not configure proxies from it yet"

    def warn(resource: Resource) -> Sequence[str]:
        return (*warnings(resource), notice)

    return warn
