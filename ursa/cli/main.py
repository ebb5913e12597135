"""The ursactl command line: global options, and commands that are imported when they run."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from ursa.cli.failures import CommandFailed, Different
from ursa.cli.hints import hint_for, nearest
from ursa.cli.session import Session
from ursa.errors import UrsaError

PROGRAM = "ursactl"

COMMANDS = {
    "apply": "Create or change resources from files.",
    "completion": "Print the completion script of a shell.",
    "config": "Manage the control planes this tool knows.",
    "delete": "Delete a resource.",
    "describe": "Show all there is to know about one resource.",
    "diff": "Show what apply would change.",
    "edit": "Change one resource in your editor.",
    "export": "Print everything, so that another control plane can take it over.",
    "generate": "Make tokens, keys and certificates.",
    "get": "Show resources.",
    "help": "Show help about a command.",
    "inspect": "Show how proxies, zones, meshes and services are doing.",
    "install": "Not in this version: says what there is instead.",
    "uninstall": "Not in this version: says what there is instead.",
    "version": "Show the versions of this tool and of the control plane.",
    "wait": "Wait until a resource is as it should be.",
    "zone": "Take a zone's traffic from other zones away, and give it back.",
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of their names, imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            near = nearest(name, COMMANDS)
            hint = f"\nHint: did you mean {near}?" if near else ""
            ctx.fail(f'unknown command "{name}" for "{PROGRAM}"{hint}')
        command: click.Command = import_module(f"ursa.cli.commands.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table, so that help imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config-file", default="", envvar="URSACTL_CONFIG", help="file with control planes")
@click.option("--context", default="", help="control plane to use for this call")
@click.option("--no-config", is_flag=True, help="use http://localhost:5681 and no file")
@click.option("--api-timeout", default="1m", show_default=True, help="how long a call may take; 0 for ever")
@click.option("--log-level", default="off", type=click.Choice(["off", "info", "debug"]), hidden=True)
@click.pass_context
def cli(ctx: click.Context, config_file: str, context: str, no_config: bool, api_timeout: str, log_level: str) -> None:
    """Operate an Ursa or Kuma control plane."""
    _ = log_level  # kumactl's; there is nothing to log here
    ctx.obj = Session(config_file, context, no_config, _seconds(api_timeout))


def _seconds(text: str) -> float | None:
    """A duration, or a bare number of seconds; None for ever."""
    from ursa.model.duration import parse_go

    try:
        seconds = float(text) if text.replace(".", "", 1).isdecimal() else parse_go(text) / 1_000_000_000
    except ValueError as error:
        raise CommandFailed(f"--api-timeout: {error}") from None
    return seconds or None


def global_first(arguments: list[str]) -> list[str]:
    """The arguments with global options in front: Kuma's tool takes them anywhere."""
    valued = {option for p in cli.params for option in p.opts if isinstance(p, click.Option) and not p.is_flag}
    flags = {option for p in cli.params for option in p.opts if isinstance(p, click.Option) and p.is_flag}
    front: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        name, equals, _ = argument.partition("=")
        if argument == "--":
            rest += [argument, *waiting]
            break
        if name in valued:
            front += [argument] if equals else [argument, *waiting[:1]]
            waiting = waiting if equals else waiting[1:]
        else:
            (front if argument in flags else rest).append(argument)
    return front + rest


def run(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit status; every expected error is printed as `Error: …`, status 1."""
    try:
        cli(global_first(sys.argv[1:] if arguments is None else arguments), prog_name=PROGRAM, standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.MissingParameter as error:
        missing = error.param.opts[-1].lstrip("-") if isinstance(error.param, click.Option) else ""
        if missing:
            click.echo(f'Error: required flag(s) "{missing}" not set', err=True)
        else:
            error.show()
        return 1
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        error.show()
        return 1
    except Different:
        return 1
    except UrsaError as error:
        click.echo(f"Error: {error}", err=True)
        for note in error.notes if isinstance(error, CommandFailed) else ():
            click.echo(note, err=True)
        if hint := hint_for(error):
            click.echo(f"Hint: {hint}", err=True)
        return 1
    except BrokenPipeError:
        return 1
    return 0


def main() -> None:
    """Entry point."""
    sys.exit(run())
