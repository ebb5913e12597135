"""Which control planes there are and which one is meant: a file in kumactl's format, so that its files can be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ursa.cli.failures import CommandFailed

LOCAL = "local"
LOCAL_URL = "http://localhost:5681"


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """How to reach one control plane."""

    name: str = LOCAL
    url: str = LOCAL_URL
    ca_cert_file: str = ""
    client_cert_file: str = ""
    client_key_file: str = ""
    skip_verify: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    token: str = ""


def default_file() -> Path:
    """Where the file is when nothing else is said."""
    return Path.home() / ".ursactl" / "config"


class Contexts:
    """The control planes of one file; `save` writes it back."""

    def __init__(self, file: Path | None) -> None:
        """Args: the file; None for just the built-in local control plane."""
        self._file = file
        self._control_planes: dict[str, ControlPlane] = {LOCAL: ControlPlane()}
        self.current = LOCAL
        if file is not None and file.exists():
            self._read(file)

    @property
    def all(self) -> Mapping[str, ControlPlane]:
        """All control planes by name."""
        return self._control_planes

    def chosen(self, name: str) -> ControlPlane:
        """The named control plane, or the current one if the name is empty. Raises CommandFailed."""
        wanted = name or self.current
        if wanted in self._control_planes:
            return self._control_planes[wanted]
        if name:
            raise CommandFailed(f'there is no Control Plane with name "{name}"')
        raise CommandFailed("active Control Plane is not set. Use `config control-planes switch --name NAME`")

    def add(self, control_plane: ControlPlane, *, overwrite: bool) -> None:
        """Adds one and makes it the current one. Raises CommandFailed when the name is taken."""
        if control_plane.name in self._control_planes and not overwrite:
            raise CommandFailed(
                f'Control Plane with name "{control_plane.name}" already exists. '
                "Use --overwrite to replace an existing one."
            )
        self._control_planes[control_plane.name] = control_plane
        self.current = control_plane.name

    def switch(self, name: str) -> None:
        """Makes one the current one. Raises CommandFailed."""
        self.current = self.chosen(name).name

    def remove(self, name: str) -> None:
        """Removes one; another becomes current if it was. Raises CommandFailed."""
        del self._control_planes[self.chosen(name).name]
        if self.current == name:
            self.current = next(iter(self._control_planes), "")

    def save(self) -> None:
        """Writes the file, readable by its owner only, since tokens stand in it."""
        if self._file is None:
            raise CommandFailed("--no-config leaves nothing to change")
        self._file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._file.touch(mode=0o600, exist_ok=True)
        self._file.write_text(self.text())

    def text(self) -> str:
        """The content of the file."""
        import yaml

        names = list(self._control_planes)
        document = {
            "contexts": [{"name": name, "controlPlane": name} for name in names],
            "controlPlanes": [{"name": n, "coordinates": {"apiServer": _dump(self._control_planes[n])}} for n in names],
            "currentContext": self.current,
        }
        return str(yaml.safe_dump(document))

    def _read(self, file: Path) -> None:
        from ursa.errors import BadRequest
        from ursa.model.documents import load_documents

        try:
            documents = load_documents(file.read_text())
            document = documents[0] if documents else {}
            planes = [_load(entry) for entry in document.get("controlPlanes") or ()]
            contexts = {c["name"]: c["controlPlane"] for c in document.get("contexts") or ()}
        except (OSError, BadRequest, KeyError, TypeError, AttributeError) as error:
            raise CommandFailed(f"cannot read configuration {file}: {error}") from None
        self._control_planes = {plane.name: plane for plane in planes}
        current = str(document.get("currentContext") or "")
        self.current = contexts.get(current, current)


def _load(entry: Mapping[str, Any]) -> ControlPlane:
    server = entry["coordinates"]["apiServer"]
    return ControlPlane(
        name=entry["name"],
        url=server["url"],
        ca_cert_file=server.get("caCertFile", ""),
        client_cert_file=server.get("clientCertFile", ""),
        client_key_file=server.get("clientKeyFile", ""),
        skip_verify=bool(server.get("skipVerify")),
        headers={h["key"]: h["value"] for h in server.get("headers") or ()},
        token=(server.get("authConf") or {}).get("token", ""),
    )


def _dump(plane: ControlPlane) -> dict[str, Any]:
    server: dict[str, Any] = {"url": plane.url}
    server |= {
        key: value
        for key, value in (
            ("caCertFile", plane.ca_cert_file),
            ("clientCertFile", plane.client_cert_file),
            ("clientKeyFile", plane.client_key_file),
            ("skipVerify", plane.skip_verify),
        )
        if value
    }
    if plane.headers:
        server["headers"] = [{"key": k, "value": v} for k, v in plane.headers.items()]
    if plane.token:
        server |= {"authType": "tokens", "authConf": {"token": plane.token}}
    return server
