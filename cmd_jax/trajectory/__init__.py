"""Recording, storing and reading the history of a network's parameters."""

from cmd_jax.checkpoints import write_safetensors
from cmd_jax.trajectory.estimator import Estimator, check_finite, check_params
from cmd_jax.trajectory.foreign import convert
from cmd_jax.trajectory.geometry import PrincipalPlane, path_length, principal_plane
from cmd_jax.trajectory.history import Trajectory
from cmd_jax.trajectory.line import accuracy_barrier, line_metrics
from cmd_jax.trajectory.plane import Plane, interpolate, plane_metrics
from cmd_jax.trajectory.recorder import Recorder
from cmd_jax.trajectory.schedule import (
    Schedule,
    every_epochs,
    every_steps,
    log_spaced,
)
from cmd_jax.trajectory.stored import StoredTrajectory
from cmd_jax.trajectory.three_networks import NetworksPlane, plane_through
from cmd_jax.trajectory.writer import TrajectoryWriter, record_bytes

__all__ = [
    "Estimator",
    "NetworksPlane",
    "Plane",
    "PrincipalPlane",
    "Recorder",
    "Schedule",
    "StoredTrajectory",
    "Trajectory",
    "TrajectoryWriter",
    "accuracy_barrier",
    "check_finite",
    "check_params",
    "convert",
    "every_epochs",
    "every_steps",
    "interpolate",
    "line_metrics",
    "log_spaced",
    "path_length",
    "plane_metrics",
    "plane_through",
    "principal_plane",
    "record_bytes",
    "write_safetensors",
]
