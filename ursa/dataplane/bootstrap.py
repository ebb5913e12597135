"""Fetches Envoy's bootstrap from the control plane, with the patience and the finality Kuma's launcher has.

A 4xx answer other than 404 means that asking again cannot help; everything else is retried, because the control plane
may just be starting. The last good answer is kept on disk: when no control plane answers at all, a proxy that ran here
before starts from it and gets its configuration when the control plane is back.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from ursa.errors import ConfigError, Unavailable, UrsaError
from ursa.runtime.clock import Clock

log = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds one request may take (`spec/dataplane.md` §2.2)."""


class Refused(UrsaError):
    """The control plane understood the request and said no."""


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What the control plane answered: Envoy's configuration, and what the launcher itself should do."""

    envoy: bytes
    sidecar: Mapping[str, Any]


class BootstrapClient:
    """Asks one control plane for bootstraps."""

    def __init__(
        self, address: str, *, ca_cert: str, skip_verify: bool, backoff: float, patience: float, clock: Clock
    ) -> None:
        self._url = address.rstrip("/") + "/bootstrap"
        self._tls = _tls(ca_cert, skip_verify) if address.startswith("https") else None
        self._backoff, self._patience, self._clock = backoff, patience, clock

    async def fetch(self, request: Mapping[str, Any]) -> Bootstrap:
        """The bootstrap.

        Raises:
            Refused: the control plane will never grant this request.
            Unavailable: no answer within the configured time.
        """
        deadline = self._clock.monotonic() + self._patience
        last = ""
        while True:
            try:
                return await self._ask(request)
            except (aiohttp.ClientError, TimeoutError, OSError, Unavailable) as error:
                reason = _reason(error)
            if reason != last:
                log.warning(
                    "could not fetch the bootstrap, retrying", extra={"error": reason, "every_s": self._backoff}
                )
                last = reason
            if self._clock.monotonic() + self._backoff > deadline:
                raise Unavailable(f"no bootstrap from {self._url} within {self._patience:g}s: {reason}")
            await self._clock.sleep(self._backoff)

    async def _ask(self, request: Mapping[str, Any]) -> Bootstrap:
        headers = {"accept": "application/json", "content-type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else False)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            session.post(self._url, data=orjson.dumps(request), headers=headers) as answer,
        ):
            body = await answer.read()
            if answer.status == 200:
                return _parse(body)
            text = body.decode(errors="replace").strip()
            if answer.status == 404:
                raise Unavailable(text or "the resource of this proxy is not yet known to the control plane")
            if 400 <= answer.status < 500:
                raise Refused(f"invalid request: {text}")
            raise Unavailable(f"the control plane answered {answer.status} {text}".strip())


def keep(path: Path, answer: Bootstrap) -> None:
    """Stores an answer for a later start without a control plane; readable by this user only: it holds a token."""
    data = orjson.dumps(
        {"bootstrap": base64.b64encode(answer.envoy).decode(), "kumaSidecarConfiguration": answer.sidecar}
    )
    descriptor = os.open(path.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    path.with_suffix(".new").replace(path)


def kept(path: Path) -> Bootstrap | None:
    """The answer of an earlier start, or None."""
    try:
        return _parse(path.read_bytes())
    except (OSError, Unavailable):
        return None


async def read_file(path: str) -> str:
    """Content of a small file without blocking the loop."""
    return await asyncio.to_thread(Path(path).read_text)


def _parse(body: bytes) -> Bootstrap:
    try:
        document = orjson.loads(body)
        return Bootstrap(base64.b64decode(document["bootstrap"]), document.get("kumaSidecarConfiguration") or {})
    except (ValueError, KeyError, TypeError):
        raise Unavailable("the answer is not a bootstrap; is this the address of a zone's dataplane server?") from None


def _reason(error: Exception) -> str:
    """Why there is no answer, and what to do about the usual mistakes."""
    text = str(error) or type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"{text}; give the authority that signed it with --ca-cert-file, or trust anybody with --skip-verify"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"{text}; is this the port of the data plane server, 5678 unless configured otherwise?"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return f"{text}; the data plane server speaks TLS: does the address begin with https://?"
    return text


def _tls(ca_cert: str, skip_verify: bool) -> ssl.SSLContext:
    if skip_verify:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    try:
        return ssl.create_default_context(cadata=ca_cert or None)
    except ssl.SSLError as error:
        raise ConfigError(f"the CA certificate of the control plane cannot be read: {error.reason}") from None
