"""Critical mini-batch sizes in closed form (reconstruction, from the mathematics).

Greedy learning of signs: a single wrong weight must show on the batch, or it is never
put right. SGD: the noise of the mini-batch must not undo what the mean gradient wins.
"""

import math


def flip_probability(degree: int) -> float:
    """ε₁: how often one wrong first-layer weight shows in a network of sign units.

    A wrong weight turns its unit where the other d - 1 inputs cancel, with probability
    p = C(d-1, (d-1)/2) / 2^(d-1); a turned hidden unit turns each of its d outputs with
    the same probability, and is seen unless it turns none: ε₁ = p (1 - (1 - p)^d).

    Args:
      degree: d, odd: inputs of a unit, and outputs of a hidden unit.

    Returns:
      The share of random patterns on which some output is wrong.

    Raises:
      ValueError: an even degree, or none; a sign of an even number may be zero.

    Example:
      >>> from cmd_jax.phase_transition import flip_probability
      >>> round(flip_probability(3), 4)
      0.4375
    """
    if degree < 1 or degree % 2 == 0:
        raise ValueError(
            f"degree is {degree}; allowed are odd numbers from 1 on, for which the sum "
            "of a sign unit is never zero"
        )
    turned = math.comb(degree - 1, (degree - 1) // 2) / 2 ** (degree - 1)
    return turned * (1 - (1 - turned) ** degree)


def perfect_batch_size(num_units: int, degree: int) -> float:
    """m_perfect ≈ ln(2Nd) / -ln(1 - ε₁): where greedy learning ends without an error.

    The batch has to betray each of the 2Nd weights if it alone is wrong: one escapes m
    patterns with probability (1 - ε₁)^m. The estimate drifts like ln N; a macroscopic
    transition does not.

    Args:
      num_units: N, the number of inputs, hidden units and outputs.
      degree: d, odd.

    Raises:
      ValueError: a number that is not allowed.

    Example:
      >>> from cmd_jax.phase_transition import perfect_batch_size
      >>> round(perfect_batch_size(400, 3), 1)
      13.5
    """
    if num_units < degree:
        raise ValueError(
            f"num_units is {num_units}, degree is {degree}; a unit has at most as many "
            "inputs as there are"
        )
    escapes = 1 - flip_probability(degree)
    if not escapes:  # degree 1: every wrong weight shows on every pattern
        return 1.0
    return math.log(2 * num_units * degree) / -math.log(escapes)


def critical_batch_size(noise_scale: float, learning_rate: float) -> float:
    """m_c = η B / (2 - η): below it SGD on a quadratic loss of curvature 1 diverges.

    Where one step leaves the mean square error 1 - 2η + η² (1 + B/m) of what it was,
    the noise of the batch wins if m is smaller than m_c. B = tr Σ / |G|² is the
    gradient noise scale, see `gradient_noise_scale`.

    Args:
      noise_scale: B, not negative.
      learning_rate: η, positive; without it m_c has no meaning.

    Returns:
      m_c; infinite from η = 2 on, where the mean gradient alone diverges.

    Raises:
      ValueError: a number that is not allowed.

    Example:
      >>> from cmd_jax.phase_transition import critical_batch_size
      >>> critical_batch_size(noise_scale=8.0, learning_rate=0.5)
      2.6666666666666665

    References:
      S. McCandlish et al., "An empirical model of large-batch training",
      arXiv 1812.06162, for the gradient noise scale.
    """
    if not learning_rate > 0 or not noise_scale >= 0:
        raise ValueError(
            f"learning_rate is {learning_rate} and noise_scale is {noise_scale}; "
            "allowed are a positive and a non-negative number"
        )
    if learning_rate >= 2:
        return math.inf
    return learning_rate * noise_scale / (2 - learning_rate)


def linear_unit_batch_size(degree: int, learning_rate: float) -> float:
    """m_c = η (d - 1) / (2 - η) of one linear unit with d inputs of ±1.

    Of Σ w x with x in {±1}^d the gradient noise scale is d - 1 wherever the weights
    are. Networks with tanh are near it for N ≫ d², and up to 40 % above it.

    Args:
      degree: d, the number of the unit's inputs; N for a dense network.
      learning_rate: η.

    Raises:
      ValueError: a number that is not allowed.

    Example:
      >>> from cmd_jax.phase_transition import linear_unit_batch_size
      >>> linear_unit_batch_size(degree=9, learning_rate=1.0)
      8.0
    """
    if degree < 1:
        raise ValueError(f"degree is {degree}; a unit has at least one input")
    return critical_batch_size(degree - 1, learning_rate)
