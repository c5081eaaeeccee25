"""What correlation modes are compared with: averages of the weights along a run."""

from cmd_jax.baselines.averaging import AverageState, ema, swa
from cmd_jax.baselines.window import WindowState, lawa

__all__ = ["AverageState", "WindowState", "ema", "lawa", "swa"]
