"""Run directories: who owns which seeds, and where everything of them lies."""

from cmd_jax.runs.run_directory import RunDirectory
from cmd_jax.runs.seed_directory import SeedDirectory

__all__ = ["RunDirectory", "SeedDirectory"]
