"""The fields of a phase diagram over the mini-batch size, but for its model.

Paper: R. Marino and F. Ricci-Tersenghi, Phase transitions in the mini-batch size for
sparse and dense two-layer neural networks (arXiv 2305.06435).
"""

from collections.abc import Sequence

from ml_collections import ConfigDict


def phase_diagram(
    *,
    batch_sizes: Sequence[int],
    num_seeds: int,
    num_sweeps: int,
    test_every: int = 50,
    stationary: bool = False,
) -> ConfigDict:
    """A diagram over mini-batch sizes and seeds; its model is the caller's to set.

    Args:
      batch_sizes: m.
      num_seeds: replicas of each m, with graphs, teachers and patterns of their own.
      num_sweeps: at most, over the weights; of SGD, its steps.
      test_every: so many sweeps; P0 depends on it.
      stationary: whether a replica goes on after its first passage.

    Example:
      >>> from cmd_jax import config
      >>> diagram = config.phase_diagram(
      ...     batch_sizes=(4, 8), num_seeds=16, num_sweeps=1000
      ... )
      >>> diagram.phase_transition.batch_sizes
      (4, 8)
    """
    return ConfigDict(
        {
            "study": "phase_transition",
            "seed": 0,
            "model": {},
            "train": {
                "num_seeds": num_seeds,
                "num_devices": 0,  # that share the replicas; 0: all
                "checkpoint_every_seconds": 60.0,
            },
            "phase_transition": {
                "batch_sizes": tuple(batch_sizes),
                "num_sweeps": num_sweeps,
                "test_every": test_every,
                "stationary": stationary,
            },
            "paper": {},
            "quick": "",
        }
    )


def shrink_diagram(config: ConfigDict) -> None:
    """Turns a phase diagram into seconds: two seeds, twenty sweeps; it is changed.

    Example:
      >>> from cmd_jax import config
      >>> diagram = config.phase_diagram(
      ...     batch_sizes=(4, 8), num_seeds=16, num_sweeps=1000
      ... )
      >>> config.shrink_diagram(diagram)
      >>> diagram.train.num_seeds
      2
    """
    config.train.num_seeds = 2
    config.phase_transition.num_sweeps = 20
    config.phase_transition.test_every = 10
