"""What makes two configs the same run: the hash, and in what they differ."""

import copy
import hashlib
import json
from typing import Any

from ml_collections import ConfigDict

# What does not change a run's numbers, and so is no part of its directory's name.
_NOT_HASHED = (
    ("seed",),
    ("train", "num_seeds"),
    ("train", "checkpoint_every_seconds"),
    ("train", "num_devices"),  # the same numbers up to rounding
    ("data", "placement"),
    ("log",),
    ("paper",),
    ("quick",),
    # Of a branch the source's hash, step and seed count, wherever its directory lies;
    # of a file of weights its checksum.
    ("branch", "run"),
    ("branch", "record"),
    ("branch", "weights"),
)

# Of fields that came later: what all did before them, where a run keeps its old name.
_BEFORE = {
    ("data", "crop_scale"): [],
    ("data", "image_size"): 0,
    ("subspace", "methods"): ["p_sgd", "p_bfgs_equal", "p_bfgs_long"],
}


def to_dict(config: ConfigDict) -> dict[str, Any]:
    """The config as JSON would give it back: dicts, lists, strings and numbers."""
    return json.loads(json.dumps(config.to_dict()))


def digest(config: ConfigDict) -> str:
    """Eight hex digits of everything in a config that changes its numbers.

    Example:
      >>> from cmd_jax import config
      >>> a, b = config.defaults(), config.defaults()
      >>> b.seed = 7
      >>> config.digest(a) == config.digest(b)
      True
    """
    canonical = json.dumps(_hashed(to_dict(config)), sort_keys=True).encode()
    return hashlib.blake2b(canonical, digest_size=4).hexdigest()


def differences(values: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """The fields that change a config's numbers and are not as in another config.

    A field that `values` lacks is left out: it was written before there was one.

    Args:
      values: as `to_dict` gives it.
      base: what it is compared with, in the same form.

    Returns:
      Flat names with their values in `values`, in alphabetical order.

    Example:
      >>> from cmd_jax import config
      >>> base = config.to_dict(config.defaults())
      >>> momentum = {**base["optimizer"], "momentum": 0.9}
      >>> config.differences({**base, "seed": 7, "optimizer": momentum}, base)
      {'optimizer.momentum': 0.9}
    """
    flat, flat_base = _flat(_hashed(values)), _flat(_hashed(base))
    return {
        name: flat[name]
        for name in sorted(flat)
        if name not in flat_base or flat[name] != flat_base[name]
    }


def _hashed(values: dict[str, Any]) -> dict[str, Any]:
    """A copy of a config's values without what does not change its numbers."""
    values = copy.deepcopy(values)
    branch = values.get("branch", {})
    if not (branch.get("run") or branch.get("weights")):
        values.pop("branch", None)
    for *parents, last in _NOT_HASHED:
        block = values
        for name in parents:
            block = block.get(name, {})
        block.pop(last, None)
    for (name, field), before in _BEFORE.items():
        if values.get(name, {}).get(field) == before:
            del values[name][field]
    return values


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": x for inner, x in _flat(value).items()}
        else:
            flat[name] = value
    return flat
