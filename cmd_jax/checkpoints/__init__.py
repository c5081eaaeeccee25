"""Checkpoints, a run's own and other people's: the only folder that knows Orbax."""

from cmd_jax.checkpoints.array_files import (
    read_npz,
    read_safetensors,
    write_safetensors,
)
from cmd_jax.checkpoints.foreign import checkpoints_in, read_checkpoint
from cmd_jax.checkpoints.saved import Checkpoints, Resumed
from cmd_jax.checkpoints.seal import DamagedError

__all__ = [
    "Checkpoints",
    "DamagedError",
    "Resumed",
    "checkpoints_in",
    "read_checkpoint",
    "read_npz",
    "read_safetensors",
    "write_safetensors",
]
