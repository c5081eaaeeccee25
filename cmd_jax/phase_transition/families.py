"""The models of phase diagrams by their names in a config."""

from collections.abc import Callable
from functools import partial
from typing import Any

from cmd_jax.phase_transition.committee_sweep import CommitteeDiscrete
from cmd_jax.phase_transition.gradient import ContinuousModel
from cmd_jax.phase_transition.greedy import SparseDiscrete
from cmd_jax.phase_transition.model import Model
from cmd_jax.spelling import did_you_mean

_FAMILIES: dict[str, tuple[Any, Callable[..., Model]]] = {
    "sparse_discrete": (SparseDiscrete, SparseDiscrete),
    "committee_discrete": (CommitteeDiscrete, CommitteeDiscrete),
    "sparse_continuous": (ContinuousModel, ContinuousModel),
    "dense_continuous": (ContinuousModel, partial(ContinuousModel, dense=True)),
}
_FIXED = ("dense", "tolerance")  # by the family's name, and by what passing means


def create(name: str, **options: Any) -> Model:
    """A teacher-student problem by name.

    Args:
      name: "sparse_discrete" or "committee_discrete", learned greedily;
        "sparse_continuous" or "dense_continuous", learned by SGD.
      **options: attributes of the model; see `SparseDiscrete`, `CommitteeDiscrete` and
        `ContinuousModel`.

    Returns:
      The model, to be given to `sweep`.

    Raises:
      ValueError: the name is unknown.
      TypeError: an option does not belong to this model, or is of another type.

    Example:
      >>> from cmd_jax import phase_transition
      >>> phase_transition.create("sparse_discrete", num_units=100, degree=3).start
      'random'
    """
    if name not in _FAMILIES:
        raise ValueError(
            f"unknown model {name!r}{did_you_mean(name, _FAMILIES)}; allowed are "
            f"{', '.join(_FAMILIES)}"
        )
    family, make = _FAMILIES[name]
    allowed = [field for field in family._fields if field not in _FIXED]
    for option, value in options.items():
        if option not in allowed:
            raise TypeError(
                f"model {name!r} has no option {option!r}"
                f"{did_you_mean(option, allowed)}; allowed are {', '.join(allowed)}"
            )
        _check_type(option, value, family.__annotations__[option])
    for option in allowed:
        if option not in options and option not in family._field_defaults:
            raise TypeError(f"model {name!r} needs the option {option!r}")
    return make(**options)


def _check_type(option: str, value: Any, kind: type) -> None:
    allowed = (int, float) if kind is float else kind
    mistaken = isinstance(value, bool) and kind is not bool
    if mistaken or not isinstance(value, allowed):
        raise TypeError(f"{option} is {value!r}; it must be of type {kind.__name__}")
