"""Compiles `proto/` into `ursa/wire/` when the package is built or installed (also in editable mode).

Generated code is never committed: the `.proto` files are the source of truth for every wire.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))


class ProtoBuildHook(BuildHookInterface):
    """Runs protoc before the files of the wheel are collected."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        from compile import compile_protos

        compile_protos(Path(self.root))
