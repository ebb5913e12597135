"""Lets `python -m ursa.cli` be `ursactl`."""

from __future__ import annotations

from ursa.cli.main import main

main()
