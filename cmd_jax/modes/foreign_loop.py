"""Online CMD beside a training loop that is not ours: `OnlineModes`.

The first records are kept, then decomposed, and from there on `online` follows.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cmd_jax import host, trees
from cmd_jax.modes.decomposition import Decomposition, check_sizes, decompose
from cmd_jax.modes.online_estimate import OnlineState, check_forgetting, online
from cmd_jax.trajectory import Estimator, Trajectory, check_finite, check_params
from cmd_jax.trajectory.blocks import modelled_leaves
from cmd_jax.types import Key, Params, PyTree


class OnlineModes:
    """Online CMD beside any loop: give it parameters, ask it for better ones.

    It changes nothing of the training. CMD leaves the initialisation out: the first
    record is best taken after an epoch.

    Args:
      warmup_records: F, at least 2. The first F records are only kept (on the host) and
        the estimate is the last one; with the record after them the modes are fitted.
      num_modes: M, as for `decompose`, and so on.
      num_samples: K.
      method: "k_medoids", "hierarchical" or "random_references".
      num_restarts: random starts of k-medoids, of which the best is kept.
      mask: a pytree prefix of bools, True where leaves are modelled; None for all.
      forgetting: λ, as for `online`.
      key: draws the sample and the starts.

    Attributes:
      num_records: how many records it was given.
      decomposition: the modes; None during the warm-up.

    Raises:
      ValueError: a warm-up that is too short or a `forgetting` that is not allowed;
        from `record` what does not fit the parameters.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import modes
      >>> follower = modes.OnlineModes(
      ...     warmup_records=3, num_modes=1, num_samples=4, key=jax.random.key(0)
      ... )
      >>> for epoch in range(6):
      ...     follower.record({"w": jnp.array([1.0, 2.0, 4.0, 8.0]) * epoch})
      >>> follower.params()["w"].round(2).tolist()
      [5.0, 10.0, 20.0, 40.0]
    """

    def __init__(
        self,
        *,
        warmup_records: int = 20,
        num_modes: int = 10,
        num_samples: int = 1000,
        method: str = "k_medoids",
        num_restarts: int = 1,
        mask: PyTree = None,
        forgetting: float = 1.0,
        key: Key,
    ):
        check_forgetting(forgetting)
        self.num_records = 0
        self.decomposition: Decomposition | None = None
        self._warmup_records = warmup_records
        self._sizes = {
            "num_modes": num_modes,
            "num_samples": num_samples,
            "method": method,
            "num_restarts": num_restarts,
        }
        self._mask, self._forgetting, self._key = mask, forgetting, key
        self._kept: list[Params] = []
        self._estimator: Estimator | None = None
        self._state: OnlineState | None = None

    def record(self, params: Params) -> None:
        """Takes in the parameters of one more record, on any device.

        Args:
          params: a pytree of arrays, the same structure each time. They are copied.

        Raises:
          ValueError: they hold a NaN or an infinity, or are of another network (the
            message names the leaf); at the first record, there is a number that does
            not fit the network; at the end of the warm-up, no weight has moved. The
            records before stay as they were.
        """
        check_finite(params, source=f"record {self.num_records}")
        params = jax.tree.map(_kept_from_writing, params)
        if self._estimator is None:
            self._warm_up(params)
        else:
            self._state = self._update(self._state, params)
        self.num_records += 1

    def params(self) -> Params:
        """The estimate: the last record during the warm-up, then that of the modes.

        Raises:
          ValueError: there was no record yet.
        """
        if self._estimator is not None:
            return self._estimate(self._state)
        if not self._kept:
            raise ValueError("there is nothing to estimate yet: call record first")
        return jax.tree.map(jnp.array, self._kept[-1])

    def _warm_up(self, params: Params) -> None:
        if self._kept:
            check_params(params, like=self._kept[0])
        else:
            self._check_sizes(params)
        kept = [*self._kept, host.fetch(params)]
        if len(kept) <= self._warmup_records:
            self._kept = kept
            return
        self.decomposition = decompose(
            Trajectory.stack(kept), **self._sizes, mask=self._mask, key=self._key
        )
        self._estimator = online(self.decomposition, forgetting=self._forgetting)
        self._update = jax.jit(self._estimator.update, donate_argnums=0)
        self._estimate = jax.jit(self._estimator.params)
        self._state = self._estimator.init(params)
        self._kept = []

    def _check_sizes(self, params: Params) -> None:
        leaves = modelled_leaves(params, self._mask)
        check_sizes(
            num_records=self._warmup_records + 1,
            num_weights=int(trees.leaf_sizes(params)[leaves].sum()),
            **self._sizes,
        )


def _kept_from_writing(leaf: Any) -> Any:
    """A copy of a NumPy array: JAX reads it later, and the loop may write over it."""
    return leaf if isinstance(leaf, jax.Array) else np.array(leaf)
