"""Commands of Kuma's tool that this one does not have yet: they say so, and what there is instead."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NoReturn

import click

from ursa.cli.failures import CommandFailed

_NOT_YET = "it is for Kubernetes, which this version does not support yet"
_KUBERNETES = f"{_NOT_YET}; `ursa-cp run` starts a control plane on this host"
_REDIRECTION = "this version does not redirect traffic; list what a proxy calls in networking.outbound of its Dataplane"

INSTALLS: Mapping[str, str] = MappingProxyType(
    {
        "control-plane": _KUBERNETES,
        "crds": _KUBERNETES,
        "demo": f"{_NOT_YET}; `make demo` in the repository needs none",
        "observability": _KUBERNETES,
        "transparent-proxy": _REDIRECTION,
        "transparent-proxy-validator": _REDIRECTION,
    }
)
UNINSTALLS: Mapping[str, str] = MappingProxyType({"transparent-proxy": _REDIRECTION, "ebpf": _REDIRECTION})
"""Names of commands, and why there is nothing they could do."""


def absent_group(name: str, reasons: Mapping[str, str]) -> click.Group:
    """A group of commands that fail, each with its reason."""
    group = click.Group(name, help=f"What Kuma's tool can {name}; nothing of it is in this version yet.")
    for command, reason in reasons.items():
        group.add_command(_absent(f"{name} {command}", reason), command)
    return group


def _absent(name: str, reason: str) -> click.Command:
    @click.command(
        help=f"Not in this version: {reason}.",
        short_help="Not in this version.",
        context_settings={"ignore_unknown_options": True},
    )
    @click.argument("ignored", nargs=-1, type=click.UNPROCESSED)
    def refuse(ignored: tuple[str, ...]) -> NoReturn:
        _ = ignored
        raise CommandFailed(f"there is no `{name}`: {reason}")

    return refuse
