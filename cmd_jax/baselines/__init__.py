"""What correlation modes are compared with: averages of the weights along a run."""

from cmd_jax.baselines.averaging import ema, lawa, swa

__all__ = ["ema", "lawa", "swa"]
