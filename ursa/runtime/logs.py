"""Log lines as a constant message plus fields, readable by people (`text`) or machines (`json`).

A field is given with `extra={...}`. Key material and tokens are never passed here by design, and the formatter still
blanks PEM blocks and JWTs that slip into an error text.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from ursa.runtime.peer_logs import PeerFilter

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SPECIAL = frozenset(' "=')
_SECRETS = re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*", re.DOTALL)
_NOISY = ("asyncio", "grpc", "aiohttp.access", "hpack")
"""Libraries whose finer levels tell nothing of ours: every header, tokens among them, several times over."""


def redact(text: str) -> str:
    """The text without PEM blocks and JSON web tokens."""
    return _SECRETS.sub("[redacted]", text)


class FieldFormatter(logging.Formatter):
    """Formats a record as one line: time, level, logger, message, fields."""

    def __init__(self, *, as_json: bool = False) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {k: v for k, v in vars(record).items() if k not in _STANDARD}
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = record.getMessage()
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        if self._as_json:
            line = {
                "time": time,
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": _encodable(message),
                **{k: _encodable(v) if isinstance(v, str) else v for k, v in fields.items()},
            }
            return redact(orjson.dumps(line, default=str).decode())
        traceback = fields.pop("traceback", "")
        tail = "".join(f" {k}={_plain(v)}" for k, v in fields.items())
        text = f"{time} {record.levelname:<7} {record.name}: {_encodable(message)}{tail}"
        return redact(f"{text}\n{traceback}" if traceback else text)


def _plain(value: object) -> str:
    """A value as it stands, or quoted where it could be read as more than one: a peer's text must not pass for ours."""
    if isinstance(value, (list, tuple, set, frozenset)):
        value = ",".join(map(str, value))
    text = _encodable(str(value))
    bare = text and text.isprintable() and not _SPECIAL.intersection(text)
    return text if bare else orjson.dumps(text).decode()


def _encodable(text: str) -> str:
    """Text without the lone surrogates that undecodable bytes leave behind."""
    return text.encode(errors="replace").decode()


def configure(level: str = "info", *, as_json: bool = False) -> None:
    """Sends all records of this process to standard error; `level` is off, error, info or debug."""
    # The gRPC core writes lines of its own unless told so before it is loaded; its errors reach us as exceptions.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FieldFormatter(as_json=as_json))
    handler.addFilter(PeerFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel({"off": logging.CRITICAL + 1, "error": logging.ERROR, "info": logging.INFO}.get(level, logging.DEBUG))
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
