"""Greedy learning one weight after another: slow, plain, the oracle of the sweeps."""

import numpy as np

from cmd_jax.phase_transition import SignNetwork, outputs


def sweep(teacher, student, patterns, order, *, strict=False):
    """Visits weights in order; every proposal is judged by the whole network.

    Args:
      teacher: the network to be found.
      student: the network that learns.
      patterns: signs [examples, inputs].
      order: pairs of a layer ("first" or "second") and a flat place in its weights.
      strict: accept only what lowers the number of wrong outputs.
    """
    right = outputs(teacher, patterns)
    student = SignNetwork(*(x.copy() for x in student))
    wrong = int((outputs(student, patterns) != right).sum())
    for layer, place in order:
        weights = getattr(student, layer).reshape(-1)
        weights[place] *= -1
        now = int((outputs(student, patterns) != right).sum())
        if now < wrong or (now == wrong and not strict):
            wrong = now
        else:
            weights[place] *= -1
    return student


def stationary_error(teacher, student, *, batch_size, num_sweeps, seed):
    """The mean error on fresh batches in the second half, in random permutations.

    Patterns are bits of Python integers, for speed; weights are 0 or all ones.
    """
    generator = np.random.default_rng(seed)
    full = (1 << batch_size) - 1
    units, degree = student.first.shape
    inputs, hidden = student.inputs.tolist(), student.hidden.tolist()
    edges_of = [[] for _ in range(units)]
    for output, row in enumerate(hidden):
        for slot, unit in enumerate(row):
            edges_of[unit].append((output, slot))

    def as_words(signs):
        return [[full if sign < 0 else 0 for sign in row] for row in signs.tolist()]

    def majority(words):
        a, b, c = words
        return (a & b) | (a & c) | (b & c)

    def activate(first, second, x):
        slots = [
            [x[k] ^ w for k, w in zip(*pair, strict=True)]
            for pair in zip(inputs, first, strict=True)
        ]
        units_ = [majority(row) for row in slots]
        edges = [
            [units_[i] ^ w for i, w in zip(*pair, strict=True)]
            for pair in zip(hidden, second, strict=True)
        ]
        return slots, edges

    def others_differ(row, slot):
        return row[slot - 1] ^ row[slot - 2]  # of three

    assert degree == 3
    first, second = as_words(student.first), as_words(student.second)
    right = as_words(teacher.first), as_words(teacher.second)
    late = []
    for number in range(num_sweeps):
        x = [int(word) & full for word in generator.integers(0, 1 << 32, units)]
        target = [majority(row) for row in activate(*right, x)[1]]
        slots, edges = activate(first, second, x)
        wrong = [majority(row) ^ t for row, t in zip(edges, target, strict=True)]
        if 2 * number >= num_sweeps:
            errors = sum(word.bit_count() for word in wrong)
            late.append(errors / units / batch_size)
        for place in generator.permutation(2 * units * degree).tolist():
            layer, rest = divmod(place, units * degree)
            row, slot = divmod(rest, degree)
            if layer == 0:
                flips, turned = others_differ(slots[row], slot), edges_of[row]
            else:
                flips, turned = full, [(row, slot)]
            words = [flips & others_differ(edges[p], j) for p, j in turned]
            change = sum(
                w.bit_count() - 2 * (w & wrong[p]).bit_count()
                for w, (p, _) in zip(words, turned, strict=True)
            )
            if change > 0:
                continue
            (first, second)[layer][row][slot] ^= full
            slots[row][slot] ^= full if layer == 0 else 0
            for w, (p, j) in zip(words, turned, strict=True):
                edges[p][j] ^= flips
                wrong[p] ^= w
    return float(np.mean(late))
