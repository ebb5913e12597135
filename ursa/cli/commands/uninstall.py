"""`ursactl uninstall`: what this version has not installed."""

from __future__ import annotations

from ursa.cli.absent import UNINSTALLS, absent_group

command = absent_group("uninstall", UNINSTALLS)
