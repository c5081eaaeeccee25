"""Fixtures that every folder of tests may use."""

import os
import pathlib
import socket

import jax
import pytest


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


@pytest.fixture
def coordinator() -> str:
    """An address where the first of several processes can wait for the others."""
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return f"localhost:{server.getsockname()[1]}"
