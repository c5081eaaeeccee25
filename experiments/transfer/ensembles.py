"""Ensembles of a pair: the trained source, and what its training made of the target.

A transfer makes a second network cheaply; as the member of an ensemble it is worth what
it does not know from the source. The yardstick is the source with the really trained
target: two networks that were trained independently of each other.
"""

from collections.abc import Callable

from cmd_jax import host, models
from cmd_jax.types import Params, PyTree
from experiments.configured.programs import make_reestimate
from experiments.configured.setup import Setup, with_dispatch


def make_accuracy(
    setup: Setup, source: Params, state: PyTree
) -> Callable[[Params], float]:
    """`accuracy(params)`: on the test set, of the source and another network together.

    Args:
      setup: from `prepare`.
      source: the trained source.
      state: beside the parameters, the running statistics of which are gathered anew
        for each member.
    """
    pair = setup._replace(network=models.ensemble(setup.network, 2))
    evaluate = with_dispatch(pair, setup.dispatch).evaluations["test"]
    reestimate = make_reestimate(setup)
    of_source = reestimate(source, state)

    def accuracy(params: Params) -> float:
        members, states = (source, params), (of_source, reestimate(params, state))
        return float(host.fetch(evaluate(members, states)["accuracy"]))

    return accuracy
