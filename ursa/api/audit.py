"""Tells who changed what: one line per write, per token that was issued and per attempt that was turned away.

A line names fields that changed, never their values: secrets cannot leak through it. It goes to the process's log as
`ursa.api.audit`, and to a file of its own when one is configured; a file that cannot be written is told in the log and
stops no request.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from ursa.api.callers import caller_of
from ursa.api.json_patch import difference
from ursa.model.resource import Resource
from ursa.model.timestamps import rfc3339
from ursa.runtime.clock import Clock
from ursa.runtime.config.servers import ApiServerAudit

log = logging.getLogger(__name__)

MOST = 100
"""Changed fields that one line names; the rest is counted."""


class Audit:
    """Writes the lines."""

    def __init__(self, settings: ApiServerAudit, clock: Clock) -> None:
        self._enabled, self._clock = settings.enabled, clock
        self._file = Path(settings.file) if settings.file else None

    def written(self, request: web.Request, before: Resource | None, after: Resource | None, revision: int) -> None:
        """A resource was created, changed, found as it should be, or deleted (`after` is None)."""
        subject = after or before
        if subject is None:
            return
        operation = "deleted" if after is None else "created" if before is None else "updated"
        changed = list(_changed(before, after)) if before is not None and after is not None else []
        if operation == "updated" and not changed:
            operation = "unchanged"
        extra: dict[str, Any] = {"revision": revision}
        if changed:
            extra["changed"] = changed[:MOST]
        if len(changed) > MOST:
            extra["more"] = len(changed) - MOST
        self._line(request, operation, {"type": subject.kind, "mesh": subject.mesh, "resource": subject.name, **extra})

    def issued(self, request: web.Request, token: str, about: Mapping[str, Any]) -> None:
        """A token was issued."""
        self._line(request, "issued", {"type": token, **about})

    def ordered(self, request: web.Request, operation: str, about: Mapping[str, Any]) -> None:
        """Something was set in motion that is no write of a resource."""
        self._line(request, operation, about)

    def refused(self, request: web.Request, reason: str) -> None:
        """Somebody may not do what they wanted to."""
        self._line(request, "refused", {"method": request.method, "path": request.path, "reason": reason})

    def _line(self, request: web.Request, operation: str, fields: Mapping[str, Any]) -> None:
        if not self._enabled:
            return
        caller = caller_of(request)
        line = {
            "user": caller.name,
            "groups": list(caller.groups),
            "address": request.remote or "",
            "operation": operation,
            **{key: value for key, value in fields.items() if value not in ("", None)},
        }
        log.info("audit", extra=line)
        if self._file is not None:
            self._append({"time": rfc3339(self._clock.now_ns()), **line})

    def _append(self, line: Mapping[str, Any]) -> None:
        """Opens the file for each line, so that it can be moved away at any time."""
        try:
            descriptor = os.open(self._file or "", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            log.error("audit file not writable", extra={"file": self._file, "error": error.strerror})


def _changed(before: Resource, after: Resource) -> Iterator[str]:
    """Fields that differ, as JSON pointers."""
    for part, old, new in (("/labels", before.labels, after.labels), ("/spec", before.spec, after.spec)):
        yield from dict.fromkeys(str(operation["path"]) for operation in difference(old, new, part))
