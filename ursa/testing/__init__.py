"""Fakes and builders for tests of Ursa and of what is built on it: behavioural fakes, never mocks of call order."""

from __future__ import annotations

import os
from pathlib import Path


def shared_folder() -> Path | None:
    """The folder with specifications and recorded truth, or None where it is not present.

    It is named by `TESTS_SHARED`, otherwise looked for beside the repository.
    """
    named = os.environ.get("TESTS_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[3] / "shared"
    return folder if folder.is_dir() else None
