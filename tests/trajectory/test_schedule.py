import itertools

import pytest

from cmd_jax.trajectory import Schedule, every_epochs, every_steps, log_spaced


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [
        (every_steps(3, total_steps=9), (0, 3, 6, 9)),
        (every_steps(3, total_steps=10), (0, 3, 6, 9, 10)),
        (every_steps(20, total_steps=10), (0, 10)),
        (every_steps(1, total_steps=0), (0,)),
        (every_epochs(2, steps_per_epoch=3, total_steps=14), (0, 6, 12, 14)),
        (log_spaced(3, total_steps=100), (0, 1, 10, 100)),
        (log_spaced(50, total_steps=4), (0, 1, 2, 3, 4)),
        (log_spaced(1, total_steps=7), (0, 1, 7)),
        (log_spaced(5, total_steps=1), (0, 1)),
        (log_spaced(5, total_steps=0), (0,)),
    ],
)
def test_steps(schedule, steps):
    assert schedule.steps == steps
    assert len(schedule) == len(steps)


def test_log_spaced_ratios_are_equal():
    steps = log_spaced(13, total_steps=10**6).steps[1:]
    ratios = [later / earlier for earlier, later in itertools.pairwise(steps)]
    assert steps[-1] == 10**6
    # The first steps are rounded to integers: 1, 3, 10, 32, 100, ...
    assert ratios[4:] == pytest.approx([10**0.5] * len(ratios[4:]), rel=0.02)


def test_next_due_walks_through_all_steps():
    schedule = log_spaced(9, total_steps=1000)
    walked, step = [], -1
    while (step := schedule.next_due(step)) is not None:
        walked.append(step)
    assert tuple(walked) == schedule.steps


def test_membership():
    schedule = Schedule((0, 4, 9))
    assert [step for step in range(12) if step in schedule] == [0, 4, 9]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: every_steps(0, total_steps=3), "num_steps=0"),
        (lambda: every_steps(1, total_steps=-3), "total_steps=-3"),
        (lambda: every_epochs(0, steps_per_epoch=1, total_steps=3), "num_epochs=0"),
        (lambda: every_epochs(1, steps_per_epoch=0, total_steps=3), "steps_per_epoch"),
        (lambda: log_spaced(0, total_steps=3), "num_records=0"),
        (lambda: log_spaced(1, total_steps=-1), "total_steps=-1"),
    ],
)
def test_bad_numbers_are_named(make, name):
    with pytest.raises(ValueError, match=name):
        make()


def test_records_are_numbered_from_0():
    schedule = Schedule((0, 10, 15))
    assert [schedule.number(step) for step in (0, 9, 10, 14, 99)] == [0, 0, 1, 1, 2]
