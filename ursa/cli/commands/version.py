"""`ursactl version`: of this tool and of the control plane it talks to."""

from __future__ import annotations

import click

from ursa.cli.failures import CommandFailed
from ursa.cli.output import print_document
from ursa.cli.session import Session, pass_session
from ursa.version import BASED_ON_KUMA, VERSION


@click.command()
@click.option("-a", "--detailed", is_flag=True, help="everything the control plane says about itself")
@click.option("--exit-code", is_flag=True, help="fail when the control plane cannot be reached")
@pass_session
def command(session: Session, detailed: bool, exit_code: bool) -> None:
    """Show the versions of this tool and of the control plane."""
    click.echo(f"Client: Ursa {VERSION} (Kuma {BASED_ON_KUMA})")
    try:
        index = session.client.get("/").document
    except CommandFailed as error:
        if exit_code:
            raise
        click.echo(f"Unable to connect to control plane: {error}", err=True)
        return
    click.echo(f"Server: {index.get('product', '?')} {index.get('version', '?')}")
    if detailed:
        print_document(index, "json")
