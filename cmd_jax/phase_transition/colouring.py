"""Colour classes: hidden units whose weights can be flipped at the same time.

Two hidden units that no output reads both change different outputs, so the changes in
the number of wrong outputs add up and each may be judged alone. A class is a set of
such units; a sub-step of a sweep is one class, whatever the size of the network.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int32

from cmd_jax.phase_transition.graphs import Graph, readers

Classes = Int32[np.ndarray, "classes size"]
"""The units of each class; -1 fills the rest of a row."""


def colour_classes(graphs: Sequence[Graph], *, seed: int = 0) -> list[Classes]:
    """Colours the inputs of every graph with the same number of colours.

    First fit in random order finds how many colours are needed; units then move from
    large classes to small ones, as padding costs as much as work.

    Args:
      graphs: of outputs that read hidden units, all of one size.
      seed: of the order in which units take their colours.

    Returns:
      For each graph its classes, all arrays of one shape.

    Example:
      >>> import jax
      >>> from cmd_jax import phase_transition
      >>> from cmd_jax.phase_transition.colouring import colour_classes
      >>> graph = phase_transition.regular_graph(30, 3, key=jax.random.key(0))
      >>> (classes,) = colour_classes([graph])
      >>> sorted(classes[classes >= 0].tolist()) == list(range(30))
      True
    """
    outputs = [readers(graph) // graph.shape[1] for graph in graphs]
    order = np.random.default_rng(seed).permutation(len(graphs[0])).tolist()
    colours = [_first_fit(reads.tolist(), order) for reads in outputs]
    number = max(max(found) for found in colours) + 1
    for reads, found in zip(outputs, colours, strict=True):
        _balance(reads.tolist(), found, number)
    size = max(int(np.bincount(found).max()) for found in colours)
    return [_as_rows(np.array(found), number, size) for found in colours]


def _first_fit(outputs: list[list[int]], order: list[int]) -> list[int]:
    """Each unit's smallest colour that no other unit of its outputs has."""
    taken = [0] * len(outputs)  # of each output, a bit for every colour
    colours = [0] * len(outputs)
    for unit in order:
        used = _used(outputs[unit], taken)
        colours[unit] = (~used & (used + 1)).bit_length() - 1  # the lowest zero bit
        for output in outputs[unit]:
            taken[output] |= 1 << colours[unit]
    return colours


def _balance(outputs: list[list[int]], colours: list[int], number: int) -> None:
    """Moves units, in place, to the smallest class that they may join."""
    taken = [0] * len(outputs)
    for unit, colour in enumerate(colours):
        for output in outputs[unit]:
            taken[output] |= 1 << colour
    sizes = np.bincount(colours, minlength=number).tolist()
    for unit in (*range(len(colours)),) * 2:  # twice: the second round moves few
        colour, used = colours[unit], _used(outputs[unit], taken)
        allowed = [c for c in range(number) if not used >> c & 1]
        best = min(allowed, key=sizes.__getitem__, default=colour)
        if sizes[best] + 1 < sizes[colour]:
            for output in outputs[unit]:
                taken[output] ^= 1 << colour | 1 << best
            sizes[colour] -= 1
            sizes[best] += 1
            colours[unit] = best


def _used(outputs: list[int], taken: list[int]) -> int:
    used = 0
    for output in outputs:
        used |= taken[output]
    return used


def _as_rows(colours: np.ndarray, number: int, size: int) -> Classes:
    rows = np.full((number, size), -1, np.int32)
    for colour in range(number):
        (members,) = np.nonzero(colours == colour)
        rows[colour, : len(members)] = members
    return rows
