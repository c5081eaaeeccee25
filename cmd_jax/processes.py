"""Many processes of one run: how they start, agree, wait for each other and end.

Every process calls the functions below at the same points, in the same order. All of
them compute; the primary alone writes files and prints. With one process they cost
nothing.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils


class ProcessError(RuntimeError):
    """Another process of the run has failed or ended; its own message says why."""


def start(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> None:
    """Joins this process to the others of its run, before anything else touches JAX.

    Args:
      coordinator: host:port of process 0. None on a TPU pod, under Slurm or Open MPI,
        where JAX finds all three by itself.
      num_processes: how many there are.
      process_id: which one this is, from 0.

    Raises:
      ValueError: there is no such process, or nothing to find the others by.
    """
    if num_processes is not None and process_id not in range(num_processes):
        raise ValueError(
            f"process_id={process_id}; allowed are 0 to {num_processes - 1}, for "
            f"num_processes={num_processes}"
        )
    # Without it processes on CPUs cannot talk; other backends ignore it.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(coordinator, num_processes, process_id)


def usable_cores() -> int:
    """How many cores this process may use, where `taskset` or Slurm gives it few."""
    if hasattr(os, "sched_getaffinity"):  # macOS has none
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_primary() -> bool:
    """Whether this process is the one that writes files and prints."""
    return jax.process_index() == 0


def agree(flag: bool) -> bool:
    """Whether any process says so; every process gets the same answer.

    What clocks and signals decide (a checkpoint is due, the run shall stop) goes
    through here, so that no process starts a collective operation that another one
    skips. With one process it costs nothing.

    Example:
      >>> from cmd_jax import processes
      >>> processes.agree(False)
      False
    """
    if jax.process_count() == 1:
        return bool(flag)
    return bool(np.any(multihost_utils.process_allgather(np.array(bool(flag)))))


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Lets every process go on only if the body succeeded in all of them.

    Raises:
      ProcessError: it failed in another process. Where it failed, its own error is
        raised.
    """
    failure = None
    try:
        yield
    except Exception as error:
        failure = error
    failed_anywhere = agree(failure is not None)
    if failure is not None:
        raise failure
    if failed_anywhere:
        raise ProcessError("another process of this run was refused or failed")


def from_primary(function: Callable[[], Any]) -> Any:
    """What `function` gives in the primary process, in all of them.

    What files decide goes through here: a shared folder may look different from
    another machine for a moment.

    Args:
      function: called by the primary only; gives what JSON can hold.

    Raises:
      ProcessError: it failed; the primary itself raises its error.

    Example:
      >>> from cmd_jax import processes
      >>> processes.from_primary(lambda: [1, 2])
      [1, 2]
    """
    if jax.process_count() == 1:
        return function()
    with together():
        text = json.dumps(function() if is_primary() else None).encode()
    size = int(multihost_utils.broadcast_one_to_all(np.array(len(text))))
    padded = np.frombuffer(text.ljust(size)[:size], np.uint8)
    return json.loads(bytes(np.asarray(multihost_utils.broadcast_one_to_all(padded))))


@contextlib.contextmanager
def lost_processes() -> Iterator[None]:
    """Turns what a collective operation of CPUs raises where a process has ended.

    Accelerators raise nothing: there JAX itself ends the processes that are left.

    Raises:
      ProcessError: in place of an error of Gloo, which carries the operations.
    """
    try:
        yield
    except Exception as error:
        if "Gloo" not in str(error):
            raise
        raise ProcessError("another process of this run has ended") from error


def leave(code: int) -> NoReturn:
    """Ends a process of a failed run at once, the primary a second after the others.

    An orderly end waits for all processes, and those wait for this one in the midst of
    a collective operation. The primary coordinates: without it JAX aborts the others.
    """
    if is_primary():
        time.sleep(1)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
