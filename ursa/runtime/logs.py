"""Log lines as a constant message plus fields, readable by people (`text`) or machines (`json`).

A field is given with `extra={...}`. Key material and tokens are never passed here by design, and the formatter still
blanks PEM blocks and JWTs that slip into an error text.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import Any

import orjson

from ursa.model.timestamps import rfc3339

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SECRETS = re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*", re.DOTALL)


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
        time = rfc3339(int(record.created * 1000) * 1_000_000)
        message = record.getMessage()
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        if self._as_json:
            line = {
                "time": time,
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": message,
                **fields,
            }
            return redact(orjson.dumps(line, default=str).decode())
        traceback = fields.pop("traceback", "")
        tail = "".join(f" {k}={_plain(v)}" for k, v in fields.items())
        text = f"{time} {record.levelname:<7} {record.name}: {message}{tail}"
        return redact(f"{text}\n{traceback}" if traceback else text)


def _plain(value: object) -> str:
    text = str(value)
    return f'"{text}"' if " " in text or not text else text


def configure(level: str = "info", *, as_json: bool = False) -> None:
    """Sends all records of this process to standard error; `level` is off, error, info or debug."""
    # The gRPC core writes lines of its own unless told so before it is loaded; its errors reach us as exceptions.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FieldFormatter(as_json=as_json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel({"off": logging.CRITICAL + 1, "error": logging.ERROR, "info": logging.INFO}.get(level, logging.DEBUG))
    for noisy in ("asyncio", "grpc", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
