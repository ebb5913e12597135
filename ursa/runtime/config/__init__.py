"""Configuration: one tree of frozen settings with Kuma's keys and variables, ours added, none read anywhere else."""

from ursa.runtime.config.effective import effective
from ursa.runtime.config.load import Described, Loaded, describe, load
from ursa.runtime.config.tree import Settings, work_dir

__all__ = ["Described", "Loaded", "Settings", "describe", "effective", "load", "work_dir"]
