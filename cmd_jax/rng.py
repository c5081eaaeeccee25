"""Named key streams: independent randomness by purpose, stable across processes.

A name is hashed with BLAKE2 (never with `hash()`, which is salted per process), so the
same seed gives the same numbers whatever PYTHONHASHSEED is.
"""

import hashlib

import jax
import numpy as np

from cmd_jax.types import Key


def stream(key: Key, name: str, *indices: int | jax.Array) -> Key:
    """The key of the stream `name`, optionally of its `indices` (an epoch, a step).

    Args:
      key: a typed key, the root of all streams (`jax.random.key(seed)`).
      name: what the randomness is for, such as `"shuffle"`.
      *indices: integers folded in one after another; they may be traced.

    Returns:
      A typed key, independent of every other (name, indices).

    Example:
      >>> import jax
      >>> from cmd_jax.rng import stream
      >>> root = jax.random.key(0)
      >>> bool((stream(root, "shuffle", 3) == stream(root, "augment", 3)).all())
      False
    """
    digest = hashlib.blake2b(name.encode(), digest_size=4).digest()
    key = jax.random.fold_in(key, int.from_bytes(digest, "big"))
    for index in indices:
        key = jax.random.fold_in(key, index)
    return key


def generator(key: Key) -> np.random.Generator:
    """A NumPy generator seeded by a key, for draws on the host.

    NumPy draws K of N numbers in O(K) memory, where `jax.random.choice` permutes all N,
    and without compiling.

    Example:
      >>> import jax
      >>> from cmd_jax.rng import generator
      >>> draws = [generator(jax.random.key(0)).integers(100) for _ in range(2)]
      >>> bool(draws[0] == draws[1])
      True
    """
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
