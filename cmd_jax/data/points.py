"""Points of the plane in two classes: LAP's toys, as scikit-learn makes them.

Circles: a ring inside another one, 0.3 times as large. Moons: two half-rings that grip
into each other. A point is stored as an image of one pixel with two channels, in
float32, and is given to networks as it is (mean 0, deviation 1).
"""

import numpy as np

from cmd_jax.data.dataset import Dataset, Examples, hold_out, partition, take

POINTS = ("circles", "moons")
_FACTOR = 0.3  # the inner circle's radius over the outer one's
_SHARE_OF_TEST = 5  # one in five is tested


def points(
    name: str,
    *,
    num_examples: int = 1000,
    noise: float = 0.05,
    num_validation: int = 0,
) -> Dataset:
    """Circles or moons, always the same points.

    Args:
      name: `"circles"` or `"moons"`.
      num_examples: of both classes together; a fifth of them is the test set.
      noise: standard deviation of the normal noise on each coordinate.
      num_validation: training points held out for validation.

    Returns:
      The data set; inputs are float32 [examples, 1, 1, 2].

    Raises:
      ValueError: fewer than 10 points, or a negative noise.
    """
    import sklearn
    from sklearn.datasets import make_circles, make_moons

    if num_examples < 2 * _SHARE_OF_TEST:
        raise ValueError(
            f"num_examples={num_examples}; allowed are at least {2 * _SHARE_OF_TEST}"
        )
    if not 0 <= noise < float("inf"):
        raise ValueError(f"noise={noise}; it must not be negative")
    drawn = {"noise": noise, "random_state": 0}
    if name == "circles":
        found, labels = make_circles(num_examples, factor=_FACTOR, **drawn)
    else:
        found, labels = make_moons(num_examples, **drawn)
    inputs = found.astype(np.float32).reshape(-1, 1, 1, 2)
    examples = Examples(inputs, labels.astype(np.int32))
    test, rest = partition(num_examples, num_examples // _SHARE_OF_TEST, name)
    train, validation = hold_out(take(examples, rest), num_validation)
    return Dataset(
        name=name,
        source=f"scikit-learn {sklearn.__version__}",
        train=train,
        validation=validation,
        test=take(examples, test),
        num_classes=2,
        mean=(0.0, 0.0),
        std=(1.0, 1.0),
    )
