"""One call each on the two kinds of wire that control planes speak, with whatever a caller cares to send."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence

import grpc

from bench.planes import Plane

Metadata = Sequence[tuple[str, str | bytes]]


def call_http(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, str]:
    """Status and text of the answer."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    context = ssl._create_unverified_context() if url.startswith("https") else None
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def call_api(plane: Plane, method: str, path: str, document: object) -> tuple[int, str]:
    """A call on the API; bytes go as they are, anything else as JSON."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return call_http(f"http://127.0.0.1:{plane.api}{path}", method, body)


def issue(plane: Plane, path: str, **request: object) -> str:
    """A token."""
    status, token = call_api(plane, "POST", f"/tokens/{path}", request)
    assert status == 200, token
    return token


async def call_stream(
    plane: Plane, port: int, method: str, *messages: bytes, metadata: Metadata = ()
) -> tuple[str, str]:
    """Opens a stream, sends messages, and returns the name of the status with its text; OK once all is answered."""
    credentials = grpc.ssl_channel_credentials(plane.certificate)
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        call = channel.stream_stream(method)(timeout=20, metadata=tuple(metadata))
        try:
            for message in messages:
                await call.write(message)
                if await call.read() is grpc.aio.EOF:
                    break
            else:
                return "OK", ""
            return (await call.code()).name, str(await call.details())
        except grpc.aio.AioRpcError as error:
            return error.code().name, str(error.details())
