"""`ursactl install`: what this version cannot install, and what to do instead."""

from __future__ import annotations

from ursa.cli.absent import INSTALLS, absent_group

command = absent_group("install", INSTALLS)
