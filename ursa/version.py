"""Versions this build goes by. `BASED_ON_KUMA` is what peers on Kuma's wires are told."""

from __future__ import annotations

VERSION = "0.1.0"
BASED_ON_KUMA = "2.13.10"
"""The Kuma version whose wires and API this build speaks."""
