"""A run beside the others of its config: what is compared with what."""

import numpy as np
import pytest

from cmd_jax.phase_transition import Diagram
from experiments.phase_transition import neighbours
from experiments.study_page import FinishedRun

SIZES = np.array([4, 8, 12, 16, 20, 24])


def labelled(num_units, middle, start="random", **options):
    """A run of which two replicas of four pass at `middle`, none below, all above."""
    share = np.where(middle == SIZES, 2, np.where(middle > SIZES, 0, 4))
    passed = np.arange(4) < share[:, None]
    error = np.where(passed, 0.0, 0.4)
    diagram = Diagram(SIZES, error, error, passed, 9 * passed, error, num_units, 3)
    diagram = diagram._replace(start=start)
    model = {"name": "sparse_discrete", "num_units": num_units, "degree": 3}
    document = {"config": {"model": model | {"start": start} | options}}
    results = [{"num_units": num_units, "degree": 3}]
    run = FinishedRun(document, {}, (0,), results, [])
    return neighbours.label_of(run), run, diagram


def test_branches_are_runs_that_differ_in_their_start_alone():
    random, strict = labelled(20, 8), labelled(20, 8, strict=True)
    teacher = labelled(20, 4, start="teacher")
    pairs = neighbours.branches([random, strict, teacher])
    assert list(pairs) == [random[0]]
    assert pairs[random[0]][0] is random[2] and pairs[random[0]][1] is teacher[2]


def test_thresholds_of_sizes_grow_with_their_power():
    scaled = [labelled(number, number // 5) for number in (40, 60, 80)]
    section = neighbours.neighbours([*scaled, labelled(40, 4, strict=True)])
    (caption,) = [f.caption for f in section.figures if "Critical" in f.caption]
    assert "inputs N: it grows with the power 0.9" in caption
    assert "±" in caption


@pytest.mark.parametrize("middles", [(8,), (8, 30)])
def test_no_power_without_two_thresholds(middles):
    runs = [labelled(20 * n, middle) for n, middle in enumerate(middles, 1)]
    captions = [f.caption for f in neighbours.neighbours(runs).figures]
    assert not [caption for caption in captions if "power" in caption]
