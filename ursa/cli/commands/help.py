"""`ursactl help COMMAND…`: what `--help` behind the command prints."""

from __future__ import annotations

import click


@click.command()
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show help about a command."""
    root = ctx.find_root()
    found: click.Command = root.command
    inner = root
    for word in words:
        following = found.get_command(inner, word) if isinstance(found, click.Group) else None
        if following is None:
            raise click.UsageError(f"there is no command {' '.join(words)}", ctx=root)
        found, inner = following, click.Context(following, parent=inner, info_name=word)
    click.echo(found.get_help(inner))
