"""The `ursa-cp` command line.

`run` finds the composition root of the configured mode through the entry points `ursa.control_planes`, so that this
package, part of the kernel, imports neither control plane.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from ursa.errors import UrsaError
from ursa.version import BASED_ON_KUMA, VERSION

if TYPE_CHECKING:
    from ursa.runtime.config import Settings

F = TypeVar("F", bound=Callable[..., None])

_log = logging.getLogger(__name__)


def _config_options(command: F) -> F:
    command = click.option("--log-level", default="info", type=click.Choice(["off", "error", "info", "debug"]))(command)
    return click.option(
        "-c", "--config-file", default="", envvar=["URSA_CONFIG_FILE"], help="YAML or JSON file with settings"
    )(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Ursa control plane."""


@cli.command()
@_config_options
@click.option("--mode", type=click.Choice(["zone", "global"]), help="short for mode")
@click.option("--zone", help="name of this zone, short for multizone.zone.name")
@click.option("--global-address", help="grpcs://host:5685, short for multizone.zone.globalAddress")
@click.option("--log-format", default="text", type=click.Choice(["text", "json"]))
def run(config_file: str, log_level: str, mode: str, zone: str, global_address: str, log_format: str) -> None:
    """Run a global or zone control plane until it gets SIGTERM or SIGINT."""
    gc.disable()  # what is imported stays: looking through it for garbage takes a seventh of the start
    from importlib.metadata import entry_points

    from ursa.runtime import logs

    logs.configure(log_level, as_json=log_format == "json")
    settings = _load(
        config_file,
        {"mode": mode, "multizone.zone.name": zone, "multizone.zone.globalAddress": global_address},
        warn=_log_warning,
    )
    name = "global" if settings.is_global else "zone"
    # Before what takes time: whoever waits sees that something happens, and what.
    _log.info("starting", extra=_identity(settings))
    (entry,) = entry_points(group="ursa.control_planes", name=name)
    gc.disable()  # what is imported stays: looking through it for garbage takes a sixth of the time
    control_plane = entry.load()
    gc.enable()
    control_plane(settings)


@cli.command(name="import")
@_config_options
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_(config_file: str, log_level: str, files: tuple[Path, ...]) -> None:
    """Load resources of every kind, as they are, into the configured store; can be repeated."""
    from ursa.command import transfer
    from ursa.runtime import logs

    logs.configure(log_level)
    count = transfer.run_import(_load(config_file), files)
    click.echo(f"{count.created} created, {count.updated} updated, {count.unchanged} unchanged")


@cli.command()
@_config_options
def export(config_file: str, log_level: str) -> None:
    """Print everything in the configured store as YAML documents, secrets included."""
    from ursa.command import transfer
    from ursa.runtime import logs

    logs.configure(log_level)
    for document in transfer.run_export(_load(config_file)):
        click.echo(document, nl=False)


@cli.group()
def migrate() -> None:
    """Prepare the configured store for this version."""


@migrate.command()
@_config_options
def up(config_file: str, log_level: str) -> None:
    """Create or update what the store engine needs."""
    from ursa.command import transfer
    from ursa.runtime import logs

    logs.configure(log_level)
    settings = _load(config_file)
    sealed = transfer.run_migrate(settings)
    click.echo(f"store {settings.store.type} is ready" + (f", {sealed} secrets sealed anew" if sealed else ""))


@cli.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
@_config_options
def validate(config_file: str, log_level: str) -> None:
    """Check the configuration and leave."""
    _ = log_level
    _load(config_file)
    click.echo("configuration is valid")


@config.command()
@_config_options
@click.argument("prefix", default="")
def explain(config_file: str, log_level: str, prefix: str) -> None:
    """List settings whose key begins with PREFIX: key, effective value, variable, meaning."""
    from ursa.command.explain import lines

    _ = log_level
    for line in lines(_load(config_file), prefix):
        click.echo(line)


@cli.command()
@click.option("-a", "--detailed", is_flag=True)
def version(detailed: bool) -> None:
    """Print the version."""
    click.echo(f"ursa {VERSION}" + (f", compatible with Kuma {BASED_ON_KUMA}" if detailed else ""))


def _identity(settings: Settings) -> dict[str, str]:
    """What tells this control plane from others."""
    from ursa.store.engines import place_of

    who = {"version": VERSION, "mode": "global" if settings.is_global else "zone"}
    if not settings.is_global:
        who["zone"] = settings.multizone.zone.name
    if settings.is_federated:
        who["global"] = settings.multizone.zone.global_address
    return who | {"store": place_of(settings)}


def _print_warning(warning: str) -> None:
    click.echo(f"warning: {warning}", err=True)


def _log_warning(warning: str) -> None:
    _log.warning("the configuration is doubtful", extra={"reason": warning})


def _load(
    config_file: str, overrides: dict[str, str] | None = None, *, warn: Callable[[str], None] = _print_warning
) -> Settings:
    from ursa.runtime.config import load

    loaded = load(config_file or None, os.environ, {k: v for k, v in (overrides or {}).items() if v})
    for warning in loaded.warnings:
        warn(warning)
    return loaded.settings


def main() -> None:
    """Entry point; expected errors end as one line and status 1."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except UrsaError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
