"""The gradient noise scale: how large a batch has to be for its gradient to be a mean.

A comparison for the critical batch size, measured on the examples' own gradients.
"""

import numpy as np
from jaxtyping import Float

from cmd_jax.types import ArrayLike


def gradient_noise_scale(gradients: Float[ArrayLike, "examples weights"]) -> float:
    """B = tr Σ / |G|², of the gradients of single examples.

    At a batch of B examples the noise of the gradient is as large as the gradient. Both
    parts are estimated without bias; what is left of |G|² after its noise is taken out
    may be negative if the examples are too few, and then B is infinite.

    Args:
      gradients: one raveled gradient an example, at least two.

    Raises:
      ValueError: there are fewer than two.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.phase_transition import gradient_noise_scale
      >>> inputs = np.random.default_rng(0).choice([-1.0, 1.0], (5000, 4))
      >>> error = np.array([0.1, -0.2, 0.3, 0.0])
      >>> scale = gradient_noise_scale(inputs * (inputs @ error)[:, None])
      >>> 2.8 < scale < 3.2  # d - 1 of a linear unit
      True

    References:
      S. McCandlish et al., "An empirical model of large-batch training",
      arXiv 1812.06162, section 2.2 and appendix A.1.
    """
    gradients = np.asarray(gradients, np.float64)
    number = len(gradients)
    if number < 2:
        raise ValueError(
            f"there are {number} gradients; a spread needs at least two examples"
        )
    noise = float(gradients.var(axis=0, ddof=1).sum())
    signal = float(np.sum(gradients.mean(axis=0) ** 2)) - noise / number
    return noise / signal if signal > 0 else np.inf
