"""`jit` for training and evaluation, with the options that XLA's CPU compiler needs.

XLA CPU's YNN fusion makes the gradient of a convolution several times slower (LeNet-5:
748 instead of 2 121 images/s). The option that turns it off exists on JAX 0.9.1-0.11;
older versions refuse it, newer ones no longer need it.
"""

from collections.abc import Callable
from typing import Any

import jax


def compiler_options(backend: str, version: tuple[int, ...]) -> dict[str, str] | None:
    """Compiler options for convolutions by backend and JAX version; None if none.

    Example:
      >>> from cmd_jax.train.compilation import compiler_options
      >>> compiler_options("cpu", (0, 10, 2))
      {'xla_cpu_experimental_ynn_fusion_type': ''}
      >>> compiler_options("gpu", (0, 10, 2)) is None
      True
    """
    if backend == "cpu" and (0, 9, 1) <= version < (0, 12):
        return {"xla_cpu_experimental_ynn_fusion_type": ""}
    return None


def jit(function: Callable, **options: Any) -> Callable:
    """`jax.jit` with this machine's `compiler_options`; `options` are `jax.jit`'s.

    On several CPU devices, virtual ones or those of several processes, a call returns
    when its results are there: two programs that exchange data at the same time can
    each wait for the other, for ever.
    """
    backend = jax.default_backend()
    chosen = compiler_options(backend, jax.__version_info__)
    compiled = jax.jit(function, compiler_options=chosen, **options)
    if backend != "cpu" or jax.device_count() == 1:
        return compiled
    return lambda *arguments: jax.block_until_ready(compiled(*arguments))


def jit_once(function: Callable) -> Callable:
    """`jit` for what runs once, such as an initialisation: compiled without optimising.

    On a CPU random initialisers take seconds to optimise and microseconds to run.
    """
    if jax.default_backend() != "cpu":
        return jax.jit(function)
    options = {"xla_backend_optimization_level": 0}
    return jax.jit(function, compiler_options=options)
