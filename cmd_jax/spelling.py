"""The hint of an error message about a misspelt name."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """`" (did you mean ...?)"` with the closest allowed name, or nothing.

    Example:
      >>> from cmd_jax.spelling import did_you_mean
      >>> did_you_mean("lenet", ["lenet5", "mlp"])
      " (did you mean 'lenet5'?)"
      >>> did_you_mean("vgg", ["lenet5", "mlp"])
      ''
    """
    close = difflib.get_close_matches(name, list(allowed), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
