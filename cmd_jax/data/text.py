"""Texts as windows of tokens: tiny Shakespeare by characters, and one made of chance.

A text is cut into windows of `context` tokens without overlap. Each token's label is
the one that follows it, so a window has as many labels as tokens, and what a network
predicts for a token may depend on the window up to there only.
"""

import os

import jax
import numpy as np
from jaxtyping import UInt8

from cmd_jax.data import prepared
from cmd_jax.data.dataset import Dataset, Examples, hold_out
from cmd_jax.rng import generator, stream
from cmd_jax.types import Key

_MAX_TOKENS = 256  # that differ: stored as uint8


def tiny_shakespeare(
    *,
    directory: str | os.PathLike[str] | None = None,
    context: int = 64,
    num_validation: int = 0,
) -> Dataset:
    """Plays of Shakespeare, a million characters, as TensorFlow Datasets splits them.

    The tokens are the 65 characters of the training split, in the order of their code
    points.

    Args:
      directory: folder of prepared data sets; see `search_folders` for the default.
      context: characters of a window; the rest of a split that fills none is left out.
      num_validation: 0, for the set has a validation split of its own.

    Returns:
      The data set; inputs are uint8 [examples, context].

    Raises:
      FileNotFoundError: the data set is not prepared; the message says how to do it.
      ValueError: `context` or `num_validation` is not allowed, or a split has a
        character that the training split lacks.
    """
    if num_validation:
        raise ValueError(
            f"num_validation={num_validation}; allowed is 0: 'tiny_shakespeare' has a "
            "validation split of its own"
        )
    name = "tiny_shakespeare"
    folder, texts = prepared.read_texts(name, directory)
    vocabulary = np.unique(_code_points(texts["train"]))
    if len(vocabulary) > _MAX_TOKENS:
        raise ValueError(
            f"{folder} has {len(vocabulary)} different characters; allowed are "
            f"{_MAX_TOKENS}"
        )
    splits = {
        split: windows(_tokens(text, vocabulary, split), context)
        for split, text in texts.items()
    }
    return _dataset(name, str(folder), splits, num_classes=len(vocabulary))


def synthetic_text(
    *,
    num_classes: int = 8,
    noise: float = 0.25,
    context: int = 16,
    num_train: int = 256,
    num_test: int = 64,
    num_validation: int = 0,
    key: Key | None = None,
) -> Dataset:
    """Windows of a Markov chain, whose lowest loss is known.

    Token i is followed by i + 1, but with probability `noise` by any token, all being
    alike; behind the last one comes the first. With r = noise / V of V tokens and
    q = 1 - noise + r the entropy rate is -q log q - (V - 1) r log r nats: the loss of
    the best network, whose accuracy is q.

    Args:
      num_classes: V, tokens that differ.
      noise: see above.
      context: tokens of a window.
      num_train: windows to train on, those held out for validation included.
      num_test: windows to test on.
      num_validation: windows held out for validation.
      key: PRNG key of the chain; by default always the same.

    Returns:
      The data set; inputs are uint8 [examples, context].

    Raises:
      ValueError: a size or the noise is not allowed.

    Example:
      >>> from cmd_jax import data
      >>> text = data.synthetic_text(noise=0.0, context=5, num_classes=8)
      >>> window = text.train.inputs[0]
      >>> bool((text.train.labels[0] == (window + 1) % 8).all())
      True
    """
    sizes = {"context": context, "num_train": num_train, "num_test": num_test}
    if min(sizes.values()) < 1:
        raise ValueError(f"{sizes}; allowed are sizes of at least 1")
    if not 2 <= num_classes <= _MAX_TOKENS:
        raise ValueError(
            f"num_classes={num_classes}; allowed are 2 to {_MAX_TOKENS} tokens"
        )
    if not 0 <= noise <= 1:
        raise ValueError(f"noise={noise}; allowed is a probability, 0 to 1")
    key = stream(jax.random.key(0), "synthetic_text") if key is None else key
    draws = generator(key)
    made = [
        _chain(number, context, num_classes, noise, draws)
        for number in (num_train, num_test)
    ]
    train, validation = hold_out(made[0], num_validation)
    splits = {"train": train, "validation": validation, "test": made[1]}
    source = "cmd_jax.data.synthetic_text"
    return _dataset("synthetic_text", source, splits, num_classes=num_classes)


def windows(tokens: UInt8[np.ndarray, " tokens"], context: int) -> Examples:
    """Windows of a text without overlap; each token's label is the one behind it.

    Args:
      tokens: of the whole text.
      context: tokens of a window. What fills no window at the end is left out.

    Raises:
      ValueError: `context` is smaller than 1, or the text has not one window.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.data.text import windows
      >>> windows(np.arange(8, dtype=np.uint8), 3).labels.tolist()
      [[1, 2, 3], [4, 5, 6]]
    """
    if not 1 <= context < len(tokens):
        raise ValueError(
            f"context={context}; allowed are 1 to {len(tokens) - 1} tokens, one fewer "
            "than the shortest split has"
        )
    size = (len(tokens) - 1) // context * context
    inputs, labels = tokens[:size], tokens[1 : size + 1].astype(np.int32)
    return Examples(inputs.reshape(-1, context), labels.reshape(-1, context))


def _tokens(
    text: str, vocabulary: np.ndarray, split: str
) -> UInt8[np.ndarray, " tokens"]:
    """The place of each character in the vocabulary."""
    points = _code_points(text)
    places = np.searchsorted(vocabulary, points).clip(max=len(vocabulary) - 1)
    unknown = points[vocabulary[places] != points]
    if len(unknown):
        raise ValueError(
            f"the {split} split has the character {chr(unknown[0])!r}, which the "
            "training split lacks"
        )
    return places.astype(np.uint8)


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def _chain(
    num_examples: int,
    context: int,
    num_classes: int,
    noise: float,
    draws: np.random.Generator,
) -> Examples:
    """Windows of the chain, each from a start of its own."""
    drawn = draws.integers(num_classes, size=(num_examples, context + 1))
    jumps = draws.random(drawn.shape) < noise
    for place in range(1, context + 1):
        following = (drawn[:, place - 1] + 1) % num_classes
        drawn[:, place] = np.where(jumps[:, place], drawn[:, place], following)
    return Examples(drawn[:, :-1].astype(np.uint8), drawn[:, 1:].astype(np.int32))


def _dataset(
    name: str, source: str, splits: dict[str, Examples], *, num_classes: int
) -> Dataset:
    """Tokens are not normalised: there are no channels."""
    return Dataset(name, source, **splits, num_classes=num_classes, mean=(), std=())
