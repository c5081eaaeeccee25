"""What every test starts from: strict JAX, no display, no fight over the cores.

Shapes and types are checked by jaxtyping and beartype over the whole of cmd_jax: the
option `--jaxtyping-packages` in pyproject.toml installs the hook. No conftest.py may
import cmd_jax outside its fixtures, or the hook would come too late.
"""

import os
import pathlib

os.environ["MPLBACKEND"] = "agg"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers are the parallelism
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def key() -> jax.Array:
    """A PRNG key, the same in every test."""
    return jax.random.key(0)


@pytest.fixture(scope="session")
def repository() -> pathlib.Path:
    """The root of the checkout."""
    return pathlib.Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data_folder() -> pathlib.Path:
    """The folder of the real data sets; the test is skipped where there is none."""
    folder = os.environ.get("CMD_JAX_DATA")
    if not folder:
        pytest.skip("needs real data: set CMD_JAX_DATA to the folder that holds it")
    return pathlib.Path(folder)
