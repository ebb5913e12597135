"""Every recorded exchange of real Kuma that concerns the API, replayed: status, body and the headers that matter."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import jwt
import pytest
from yarl import URL

from tests.unit.api.conftest import TLS, ControlPlane, Start
from tests.unit.api.recorded_circumstances import (
    AFTER,
    CONFIGURED,
    COUNTED,
    ELSEWHERE,
    OTHERWISE,
    PLACES,
    SETTINGS,
    WITH,
)
from tests.unit.api.recordings import GROUPS, SHARED, Recording, claims_of, fillers, masked, recording, seeds, titles
from ursa.admission.initial_policies import initial_policies
from ursa.identity.signing_keys import new_dataplane_signing_key, newest_key
from ursa.identity.user_tokens import USER_KEY
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import SystemClock
from ursa.runtime.config.services import Defaults

pytestmark = pytest.mark.skipif(SHARED is None, reason="recordings are not present")


async def prepare(plane: ControlPlane, made: Recording) -> None:
    """Puts everything into the store that was there when the recording was made."""
    wanted: dict[ResourceKey, Resource] = {}
    for title in expand(WITH[made.title]) if made.title in WITH else (made.title,):
        wanted |= {r.key: r for r in seeds(recording(title))}
    for mesh in {key.mesh for key in wanted} | {made.mesh}:
        if mesh:
            found = wanted.setdefault(ResourceKey("Mesh", "", mesh), Resource("Mesh", "", mesh))
            for policy in initial_policies(found, Defaults()) if made.title in WITH else ():
                wanted.setdefault(policy.key, policy)
    if made.path.startswith("/tokens/") and made.group == "zone":
        signing = new_dataplane_signing_key("default")
        wanted[signing.key] = signing
    known = {r.key for r in (await plane.store.contents()).resources}
    if made.title in COUNTED:
        wanted |= {r.key: r for r in fillers(made.answer, known | wanted.keys())}
    await plane.add(*(r for key, r in wanted.items() if key not in known))


async def replay(plane: ControlPlane, made: Recording) -> tuple[int, Any, Mapping[str, str]]:
    """Sends the recorded request; answers status, body and headers."""
    headers = {**made.headers, "Host": made.host}
    if (shown := headers.get("Authorization", "")).startswith("Bearer eyJ"):
        headers["Authorization"] = f"Bearer {resigned(plane, shown.removeprefix('Bearer '))}"
    url = URL(f"http://{plane.client.host}:{plane.client.port}{made.path}", encoded=True)
    async with plane.client.session.request(
        made.method, url, data=made.body, headers=headers, allow_redirects=False
    ) as response:
        text = await response.text()
        answer = json.loads(text) if response.content_type == "application/json" else text
        return response.status, answer, response.headers


def resigned(plane: ControlPlane, token: str) -> str:
    """The recorded token for this control plane: same identity, signed with its key, and good for an hour."""
    kid, key = newest_key(plane.live.current, "GlobalSecret", "", USER_KEY)
    recorded = claims_of(token)
    now = SystemClock().now_ns() // 1_000_000_000
    return jwt.encode({**recorded, "exp": now + 3600, "nbf": now - 5, "iat": now - 5}, key, "RS256", {"kid": kid})


def replayed() -> list[Any]:
    """All recordings that are replayed here; those that we answer otherwise on purpose must go on to differ."""
    return [
        pytest.param(title, marks=pytest.mark.xfail(strict=True, reason=OTHERWISE[title]))
        if title in OTHERWISE
        else title
        for title in titles(*GROUPS)
        if not any(fnmatchcase(title, pattern) for pattern in ELSEWHERE)
    ]


@pytest.mark.parametrize("title", replayed())
async def test_as_recorded(start: Start, title: str) -> None:
    made = recording(title)
    plane = await start(**settings_of(title))
    for earlier in AFTER.get(title, ()):
        await replay(plane, recording(earlier))
    await prepare(plane, made)
    status, answer, headers = await replay(plane, made)
    assert status == made.status, answer
    assert (masked(answer) or "") == (masked(made.answer) or "")
    for header in ("Allow", "Location"):
        assert headers.get(header) == made.answer_headers.get(header)


def settings_of(title: str) -> dict[str, str]:
    """Variables of the control plane that a recording was made on."""
    fitting = [prefix for prefix in SETTINGS if title.startswith(prefix)]
    return SETTINGS[max(fitting, key=len)] if fitting else PLACES.get(title.partition("/")[0], {})


def expand(patterns: tuple[str, ...]) -> list[str]:
    """The titles that patterns stand for."""
    return [
        t for p in patterns for t in titles(p.partition("/")[0]) if (fnmatchcase(t, p) and ".k8s" not in t) or t == p
    ]


@pytest.mark.parametrize("title", ["single/config", "global/config", "zone/config"])
async def test_configuration_as_recorded(start: Start, title: str) -> None:
    """Every key that Kuma shows is shown, with Kuma's value unless the setting is one of those listed."""
    plane = await start(**settings_of(title))
    ours, theirs = (dict(leaves(d)) for d in ((await plane.get("/config"))[1], recording(title).answer))
    different = {key for key, value in theirs.items() if ours.get(key) != value}
    assert {key for key in different if not key.endswith(("tlsCertFile", "tlsKeyFile"))} <= set(CONFIGURED)
    files = {ours[key] for key in different if key.endswith(("tlsCertFile", "tlsKeyFile"))}
    assert files == {str(TLS.cert), str(TLS.key)}


def leaves(document: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no mapping, by dotted key."""
    if isinstance(document, dict) and document:
        for key, value in document.items():
            yield from leaves(value, f"{path}.{key}".removeprefix("."))
    elif document != {}:
        yield path, document
