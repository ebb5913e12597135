"""`ursactl completion`: what a shell needs to complete commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ursa.cli.failures import CommandFailed


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a SHELL."""
    found = get_completion_class(shell)
    if found is None:
        raise CommandFailed(f"no completion for {shell}")
    click.echo(found(ctx.find_root().command, {}, "ursactl", "_URSACTL_COMPLETE").source())
