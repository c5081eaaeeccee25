"""What a number depends on besides its config: versions, commit, devices, command."""

import importlib.metadata
import os
import pathlib
import platform
import subprocess
from typing import Any

import jax

import cmd_jax
from cmd_jax import processes

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "tensorflow-datasets")


def describe(command: str) -> dict[str, Any]:
    """The environment as JSON; `command` is what the user typed."""
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {
        "command": command,
        "commit": _commit(),
        "python": platform.python_version(),
        "versions": {"cmd_jax": cmd_jax.__version__, **versions},
        "devices": [device.device_kind for device in jax.devices()],
        "processes": jax.process_count(),
        "cores": processes.usable_cores(),
        "processor": _processor(),
        "matmul_precision": getattr(jax.config, "jax_default_matmul_precision", None)
        or "default",
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def _commit() -> str:
    """The repository's commit, with "+" where files differ from it; "" without git."""
    root = pathlib.Path(__file__).resolve().parents[2]
    git = ["git", "-C", str(root)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
        status = subprocess.run(
            [*git, "status", "--porcelain"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if status.stdout.strip() else "")


def _processor() -> str:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = [x.partition(":")[2].strip() for x in lines if x.startswith("model name")]
    return models[0] if models else platform.processor()
