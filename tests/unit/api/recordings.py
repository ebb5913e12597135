"""Recorded exchanges of real Kuma as replayable cases: what was asked, what was answered, what must have been there.

The objects a recording was made over are taken from the recording itself: an object that was answered is stored before
it is asked for, a list's items are, an overview is taken apart into its object and its insight.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ursa.catalog import default_registry
from ursa.model.forms import from_kubernetes, from_rest
from ursa.model.kind import Registry
from ursa.model.resource import Resource, ResourceKey
from ursa.testing import shared_folder

SHARED = shared_folder()
FOLDER = SHARED / "reference/api" if SHARED is not None else Path("absent")

GROUPS = ("single", "global", "zone", "config", "auth", "tokens", "kinds")
MESH = re.compile(r"/meshes/([^/?]+)/.*")
OBJECT = re.compile(r"/(?:meshes/(?P<mesh>[^/]+)/)?(?P<path>[^/]+)/(?P<name>[^/]+)")

_TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_OWN = frozenset({"clusterId", "hostname", "instanceId"})
"""Members that every process has of its own."""

_UNORDERED = frozenset({"invalid_parameters", "causes"})


@dataclass(frozen=True)
class Recording:
    """One exchange."""

    title: str
    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    body: str | None
    status: int
    answer: Any
    answer_headers: Mapping[str, str]

    @property
    def group(self) -> str:
        """The topology it was made on."""
        return self.title.partition("/")[0]

    @property
    def mesh(self) -> str:
        """The mesh that the path goes through."""
        found = MESH.fullmatch(self.path)
        return found[1] if found and self.answer_title != "Failed to retrieve Mesh" else ""

    @property
    def answer_title(self) -> str:
        """What failed, according to the answer."""
        return str(self.answer.get("title", "")) if isinstance(self.answer, dict) else ""

    @property
    def about(self) -> re.Match[str] | None:
        """Mesh, kind and name of the object that the path names."""
        return OBJECT.fullmatch(self.path.partition("?")[0])


@cache
def registry() -> Registry:
    """All kinds."""
    return default_registry()


@cache
def recording(title: str) -> Recording:
    """The recording of this name, `group/name`."""
    text = json.loads((FOLDER / f"{title}.json").read_text())
    request, response = text["request"], text["response"]
    url = urlsplit(request["url"])
    headers = dict(request.get("headers") or {})
    body = request.get("body")
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
    if body is not None:
        headers.setdefault("Content-Type", "application/octet-stream")
    answer = response["body"]
    path = request["url"].split(url.netloc, 1)[1]
    return Recording(
        title, request["method"], headers.pop("Host", url.netloc), path, headers, body,
        response["status"], answer, response.get("headers") or {},
    )  # fmt: skip


def titles(*groups: str) -> list[str]:
    """Names of all recordings of these groups."""
    return [f"{group}/{file.stem}" for group in groups for file in sorted((FOLDER / group).glob("*.json"))]


def seeds(made: Recording) -> Iterator[Resource]:
    """The objects that must be there for this answer."""
    about = made.about
    if made.method == "GET" and made.status == 200 and isinstance(made.answer, dict):
        for document in made.answer.get("items", [made.answer]):
            yield from objects_of(document)
    elif about is not None and made.status == 200 and made.method in ("PUT", "DELETE"):
        kind = registry().by_path(about["path"])
        if kind is not None:
            given = json.loads(made.body) if made.body else {}
            spec = from_rest(given, registry()).spec if given else {}
            yield Resource(kind.name, about["mesh"] or "", about["name"], spec, given.get("labels") or {})


def fillers(answer: Any, present: Iterable[ResourceKey]) -> Iterator[Resource]:
    """Objects that bring the counts of an insight to what was recorded; which objects those were is not known."""
    have = Counter((key.kind, key.mesh) for key in present)
    known = {key.name for key in present if key.kind == "Mesh"}
    for insight in answer.get("items", [answer]):
        name = insight.get("metadata", insight).get("name", "")
        meshes = {name} if name else known
        more = insight["meshes"]["total"] - len(known) if not name else 0
        for mesh in {name} - known if name else {f"mesh-{number}" for number in range(more)}:
            yield Resource("Mesh", "", mesh)
        for kind, count in insight.get("spec", insight).get("resources", {}).items():
            missing = count["total"] - sum(have[kind, mesh] for mesh in meshes)
            yield from (Resource(kind, name or "default", f"filler-{number}") for number in range(missing))


def objects_of(document: Mapping[str, Any]) -> Iterator[Resource]:
    """The objects that an answered document shows."""
    if "apiVersion" in document:
        yield from_rest(_named(from_kubernetes(document, registry())), registry())
        return
    type_ = str(document.get("type", ""))
    if type_.endswith("Overview") and type_ != "ServiceOverview":
        for kind in (type_.removesuffix("Overview"), type_.removesuffix("Overview") + "Insight"):
            member = kind[0].lower() + kind[1:]
            if member in document:
                meta = {key: document[key] for key in ("mesh", "name", "labels") if key in document}
                yield from_rest({**meta, "type": kind, **document[member]}, registry())
        return
    if type_ in registry() and "name" in document and type_ not in ("MeshInsight", "ServiceInsight"):
        yield from_rest(_named(document), registry())


def _named(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document; redacted secrets get data that can be read."""
    if document["type"] in ("Secret", "GlobalSecret"):
        return {**document, "data": base64.b64encode(b"redacted").decode()}
    return dict(document)


def masked(value: Any, key: str = "", holder: Mapping[str, Any] | None = None) -> Any:
    """Without what differs from run to run: times, identifiers, secret data, signatures."""
    if isinstance(value, dict):
        return {k: m for k, v in value.items() if (m := masked(v, k, value)) != [] or k != "warnings"}
    if isinstance(value, list):
        found = [masked(item) for item in value]
        return sorted(found, key=repr) if key in _UNORDERED else found
    if not isinstance(value, str):
        return value
    if key in _OWN and holder is not None and "product" in holder:
        return f"<{key}>"
    if key == "data" and holder is not None and holder.get("type") in ("Secret", "GlobalSecret"):
        return "<data>"
    if key == "value" and holder is not None and set(holder) == {"value"}:
        return "<data>"
    if value.count(".") == 2 and value.startswith("eyJ"):
        return token_claims(value)
    return "<time>" if _TIMES.fullmatch(value) else value


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a token whose signature may have been cut off."""
    return dict(_part(token, 1))


def token_claims(token: str) -> dict[str, Any]:
    """Header and claims of a token; of its times only the distances are kept."""
    claims = claims_of(token)
    times = {name: claims[name] - claims["iat"] for name in ("exp", "nbf", "iat")}
    return {"header": _part(token, 0), "claims": {**claims, "jti": "<id>", **times}}


def _part(token: str, number: int) -> Any:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[number] + "=="))
