"""Talks HTTP to a control plane with the standard library alone: a third-party client would double the start time."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ursa.cli.failures import CommandFailed, OutOfTime, ServerRefused, Unreachable
from ursa.cli.settings import ControlPlane
from ursa.version import VERSION

JSON = "application/json"
UNAUTHENTICATED = 401


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text) if self.text.strip() else {}


class Client:
    """Calls one control plane."""

    def __init__(self, control_plane: ControlPlane, timeout: float | None) -> None:
        """Args: where and how; seconds a call may take, None for ever."""
        self._plane = control_plane
        self._timeout = timeout

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> Answer:
        """GET of a path; parameters without value are left out."""
        given = {k: v for k, v in (parameters or {}).items() if v not in (None, "")}
        return self.call("GET", path + (f"?{urlencode(given, doseq=True)}" if given else ""))

    def call(
        self, method: str, path: str, body: Any = None, *, accept: str = JSON, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request.

        Raises:
            ServerRefused: the answer was an error.
            Unreachable: there was no answer.
        """
        request = self._request(method, path, body, {"Accept": accept, **(headers or {})})
        with self._opened(request, self._timeout) as response:
            return Answer(response.status, dict(response.headers), response.read().decode(errors="replace"))

    def lines(self, path: str, parameters: Mapping[str, Any], end: float | None = None) -> Iterator[dict[str, Any]]:
        """JSON objects of an answer that goes on, one per line, until the time ends it.

        Args:
            path: of the call.
            parameters: of the call.
            end: when to stop, by the monotonic clock; None for never.

        Raises:
            Unreachable: the server ended it.
        """
        request = self._request("GET", f"{path}?{urlencode(parameters)}", None, {"Accept": "*/*"})
        try:
            with self._opened(request, _left(end)) as response:
                while raw := response.readline():
                    if raw.strip():
                        yield json.loads(raw)
                    if end is not None and time.monotonic() >= end:
                        return
            raise Unreachable(f"the control plane at {self._plane.url} has ended the watch")
        except OutOfTime:
            if end is None:
                raise

    def _request(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> urllib.request.Request:
        given = {"User-Agent": f"ursactl/{VERSION}", **headers, **self._plane.headers}
        if self._plane.token:
            given["Authorization"] = f"Bearer {self._plane.token}"
        data = None
        if body is not None:
            data, given["Content-Type"] = json.dumps(body).encode(), JSON
        return urllib.request.Request(self._plane.url.rstrip("/") + path, data=data, method=method, headers=given)

    @contextmanager
    def _opened(self, request: urllib.request.Request, timeout: float | None) -> Iterator[Any]:
        """The answer to a request while it is read; what goes wrong then, and before, is told as one of our errors."""
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=self._tls()) as response:
                yield response
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            raise self._refusal(error.code, text) from None
        except TimeoutError:
            raise OutOfTime(f"the control plane at {self._plane.url} timed out") from None
        except urllib.error.URLError as error:
            raise Unreachable(f"cannot reach the control plane at {self._plane.url}: {_reason(error)}") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unreachable(f"cannot reach the control plane at {self._plane.url}: {error}") from None

    def _refusal(self, status: int, text: str) -> ServerRefused:
        refusal = ServerRefused(status, text, _problem(text))
        if status == UNAUTHENTICATED and self._plane.token:
            from ursa.cli.token_check import flaw

            if found := flaw(self._plane.token, time.time_ns()):
                refusal.notes += (found,)
        return refusal

    def pages(self, path: str, parameters: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """All items of a list, page after page."""
        given: dict[str, Any] = {"size": 1000, **(parameters or {})}
        offset = 0
        while True:
            page = self.get(path, {**given, "offset": offset or None}).document
            yield from page.get("items") or ()
            if not page.get("next"):
                return
            offset += len(page["items"])

    def _tls(self) -> ssl.SSLContext | None:
        if urlsplit(self._plane.url).scheme != "https":
            return None
        try:
            context = ssl.create_default_context(cafile=self._plane.ca_cert_file or None)
            if self._plane.client_cert_file:
                context.load_cert_chain(self._plane.client_cert_file, self._plane.client_key_file)
        except (OSError, ssl.SSLError) as error:
            raise CommandFailed(f"cannot read TLS files of control plane {self._plane.name}: {error}") from None
        if self._plane.skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _left(end: float | None) -> float | None:
    return None if end is None else max(end - time.monotonic(), 0.01)


def path_of(*parts: str) -> str:
    """A path of quoted parts."""
    return "".join("/" + quote(part, safe="") for part in parts if part)


def _problem(text: str) -> Mapping[str, Any] | None:
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _reason(error: urllib.error.URLError) -> str:
    reason = error.reason
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {reason.verify_message}"
    if isinstance(reason, ssl.SSLError):
        return (reason.reason or str(reason)).replace("_", " ").lower()
    return (reason.strerror or str(reason)).lower() if isinstance(reason, OSError) else str(reason)
