"""A file whose content is followed: read again when it changes, without a timer and without a restart.

Whoever needs the content asks for it; a look at the file's times and identity tells whether it must be read. While a
rotation is half done, or the file is gone, the last good content stays.
"""

from __future__ import annotations

import logging
from pathlib import Path

from ursa.errors import ConfigError

log = logging.getLogger(__name__)

Stamp = tuple[int, int, int]
"""Modification time, identity and size of a file: what changes when its content does."""


def stamp_of(path: Path) -> Stamp:
    """The stamp of a file as it is now. Raises OSError."""
    status = path.stat()
    return (status.st_mtime_ns, status.st_ino, status.st_size)


class FollowedFile:
    """The newest readable content of one file."""

    def __init__(self, path: Path, what: str) -> None:
        """Args: the file; what it is, for messages. Raises ConfigError when it cannot be read now."""
        self._path, self._what = path, what
        try:
            self._stamp, self._content = stamp_of(path), path.read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot read {what} {path}: {(error.strerror or '').lower()}") from None

    def content(self) -> bytes:
        """The content, read anew when the file has changed."""
        try:
            stamp = stamp_of(self._path)
            if stamp != self._stamp:
                self._content, self._stamp = self._path.read_bytes(), stamp
                log.info("file reloaded", extra={"file": self._path, "what": self._what})
        except OSError as error:
            log.warning("file not readable, keeping its last content", extra={"file": self._path, "error": error})
        return self._content
