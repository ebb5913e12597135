"""What every command is given: the chosen control plane, and the kinds it can name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ursa.cli.client import Client, path_of
from ursa.cli.failures import CommandFailed, ServerRefused
from ursa.cli.hints import nearest
from ursa.cli.settings import Contexts, default_file

if TYPE_CHECKING:
    from ursa.model.kind import Kind, Registry


@dataclass
class Session:
    """The global options, and what follows from them when it is needed."""

    config_file: str
    context: str
    no_config: bool
    timeout: float | None

    @cached_property
    def contexts(self) -> Contexts:
        """The configured control planes."""
        if self.no_config:
            return Contexts(None)
        return Contexts(Path(self.config_file) if self.config_file else default_file())

    @cached_property
    def client(self) -> Client:
        """Calls the chosen control plane."""
        return Client(self.contexts.chosen(self.context), self.timeout)

    @cached_property
    def registry(self) -> Registry:
        """All kinds of this version; loading them takes a tenth of a second, so only commands that need them do."""
        from ursa.catalog import default_registry

        return default_registry()

    def kind(self, word: str) -> Kind:
        """The kind a user means: its singular, plural, path, type name or short name. Raises CommandFailed."""
        wanted = word.lower()
        for kind in self.registry:
            names = {kind.name.lower(), kind.path, *kind.path_aliases, kind.short, *(kind.cli or ())}
            if kind.path and wanted in names | {_spaced(kind.name)}:
                return kind
        known = sorted(kind.cli[0] for kind in self.registry if kind.cli)
        near = nearest(wanted, (word for kind in self.registry for word in kind.cli or ()))
        notes = [f"Hint: did you mean {near}?"] if near else []
        raise CommandFailed(f"unknown TYPE: {word}. Allowed values: {', '.join(known)}", notes)

    @cached_property
    def here(self) -> str:
        """The zone whose control plane is asked; empty for a global, and where the configuration may not be seen."""
        try:
            config = self.client.get("/config").document
        except ServerRefused:
            return ""
        zone = (config.get("multizone") or {}).get("zone") or {}
        return str(zone.get("name") or "") if config.get("mode") == "zone" else ""

    def zone_overview(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        """The overview of a zone with a status, if its own control plane was asked: that one has answered."""
        own = "status" not in item and not item.get("zoneInsight") and item.get("name") == self.here
        return {**item, "status": "online"} if own else item

    def path(self, kind: Kind, mesh: str, *rest: str) -> str:
        """Path of the kind's list, or of something below it."""
        return path_of(*(() if kind.global_scope or not mesh else ("meshes", mesh)), kind.path, *rest)


def _spaced(name: str) -> str:
    """`ZoneIngress` as `zone-ingress`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


pass_session = click.make_pass_decorator(Session)

mesh_option = click.option("-m", "--mesh", default="default", show_default=True, help="mesh to work in")
output_option = click.option(
    "-o", "--output", type=click.Choice(["table", "yaml", "json"]), default="table", show_default=True, help="format"
)
files_option = partial(
    click.option, "-f", "--file", "files", multiple=True, help="file, folder, - or URL; may be repeated"
)
variables_option = click.option(
    "-v", "--var", "variables", multiple=True, help="NAME=VALUE for {{ NAME }} in the files"
)


def _types(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Words for kinds that begin like this, for shells to complete."""
    from ursa.catalog import default_registry

    words = {word for kind in default_registry() for word in kind.cli or ()}
    return sorted(word for word in words if word.startswith(incomplete))


type_argument = click.argument("type_", metavar="TYPE", shell_complete=_types)
