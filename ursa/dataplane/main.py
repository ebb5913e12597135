"""The `ursa-dp` command line: `run` and `wait` with the flags of Kuma's launcher."""

from __future__ import annotations

import asyncio
import os
import sys

import click

from ursa.errors import ConfigError, UrsaError
from ursa.model.duration import parse_go
from ursa.version import BASED_ON_KUMA, VERSION


class Seconds(click.ParamType[float]):
    """A Go duration as seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_go(str(value)) / 1_000_000_000
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Launches Envoy beside a workload or at the edge of a zone."""


@cli.command()
@click.option("--cp-address", help="URL of the zone's dataplane server, https://host:5678")
@click.option("--ca-cert-file", "ca_cert", help="CA certificate of the control plane")
@click.option("--skip-verify", is_flag=True, default=None, help="do not verify the control plane on bootstrap")
@click.option("-d", "--dataplane-file", "resource_path", help="resource template of this proxy, - for stdin")
@click.option("--dataplane", "resource", help="resource template of this proxy as text")
@click.option("-v", "--dataplane-var", "variables", multiple=True, help="key=value for the template")
@click.option("--dataplane-token-file", "token_path", help="file with the proxy's token")
@click.option("--dataplane-token", "token", help="the proxy's token")
@click.option("--mesh")
@click.option("--name")
@click.option("--proxy-type", type=click.Choice(["dataplane", "ingress", "egress"]))
@click.option("--binary-path", help="Envoy executable")
@click.option("--work-dir", help="directory for sockets and the bootstrap")
@click.option("--concurrency", type=int, help="worker threads of Envoy")
@click.option("--drain-time", type=Seconds())
@click.option("--envoy-log-level")
@click.option("--envoy-component-log-level")
@click.option("--log-level", default="info", type=click.Choice(["off", "info", "debug"]))
def run(variables: tuple[str, ...], log_level: str, **flags: object) -> None:
    """Run one proxy until SIGTERM or SIGINT, or until Envoy ends."""
    from ursa.dataplane.launcher import Launcher
    from ursa.dataplane.settings import merge
    from ursa.runtime import logs
    from ursa.runtime.clock import SystemClock

    logs.configure(log_level)
    pairs = [part for entry in variables for part in entry.split(",")]
    given = flags | ({"variables": dict(p.split("=", 1) for p in pairs if "=" in p)} if pairs else {})
    settings = merge(os.environ, given)
    sys.exit(asyncio.run(Launcher(settings, SystemClock()).run()))


@cli.command()
@click.option("--url", default="http://localhost:9901/ready")
@click.option("--timeout", default="180s", type=Seconds())
@click.option("--check-frequency", default="1s", type=Seconds())
@click.option("--request-timeout", default="500ms", type=Seconds())
def wait(url: str, timeout: float, check_frequency: float, request_timeout: float) -> None:
    """Wait until a proxy is ready."""
    from ursa.dataplane.wait import until_ready
    from ursa.runtime.clock import SystemClock

    asyncio.run(until_ready(url, timeout, check_frequency, request_timeout, SystemClock()))
    click.echo("proxy is ready")


@cli.command()
def version() -> None:
    """Print the version."""
    click.echo(f"ursa-dp {VERSION}, compatible with Kuma {BASED_ON_KUMA}")


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
        sys.exit(2 if isinstance(error, ConfigError) else 1)
