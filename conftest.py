"""Strictness of every test and doctest, wherever pytest is pointed at.

- Shapes and types are checked by jaxtyping and beartype over all of cmd_jax, an int
  where a float is annotated being welcome. This file is loaded before any other one, so
  the hook is in place before the first import of cmd_jax.
- Arrays of different ranks are not broadcast silently.
- No display, and no fight over the cores between the workers of pytest-xdist.
- Workers and the processes that tests start share the programs that XLA has compiled:
  many tests run the same few. The cache is empty at first and goes with the test run.
"""

import atexit
import os
import tempfile

os.environ["MPLBACKEND"] = "agg"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # workers inherit it
    cache = tempfile.TemporaryDirectory(prefix="cmd_jax_tests_")
    atexit.register(cache.cleanup)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = cache.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

import jax
import jaxtyping

jax.config.update("jax_numpy_rank_promotion", "raise")
jaxtyping.install_import_hook(
    "cmd_jax", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)
