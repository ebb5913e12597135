"""The launcher's token: read from where it was given and refused at once when it cannot be one."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from ursa.dataplane.settings import DataplaneSettings
from ursa.errors import ConfigError

_PREFIX = (
    "dataplane token is invalid, in Kubernetes you must mount a serviceAccount token, "
    "in universal you must start your proxy with a generated token.: "
)


def load(settings: DataplaneSettings) -> str:
    """The token, empty when none was given; raises ConfigError with Kuma's text when it is not a JWT."""
    token = settings.token
    if settings.token_path:
        try:
            token = Path(settings.token_path).read_text().strip()
        except OSError as error:
            raise ConfigError(
                f"{_PREFIX}could not read file {settings.token_path}: {(error.strerror or '').lower()}"
            ) from None
        if not token:
            raise ConfigError(f"{_PREFIX}token under file {settings.token_path} is empty")
    if token:
        _check(token)
    return token


def _check(token: str) -> None:
    if "\n" in token:
        raise ConfigError(f"{_PREFIX}token must be a single line")
    parts = token.split(".")
    if len(parts) != 3:
        raise ConfigError(
            f"{_PREFIX}not valid JWT token. Can't parse it.: token is malformed: "
            "token contains an invalid number of segments"
        )
    try:
        for part in parts[:2]:
            base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (ValueError, binascii.Error) as error:
        raise ConfigError(f"{_PREFIX}not valid JWT token. Can't parse it.: token is malformed: {error}") from None
