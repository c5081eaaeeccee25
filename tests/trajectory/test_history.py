import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.trajectory import Trajectory


def test_stack_and_index(make_params, assert_trees_equal):
    trajectory = Trajectory.stack(map(make_params, range(5)), steps=range(0, 50, 10))
    assert len(trajectory) == 5
    assert trajectory.params["dense"]["kernel"].shape == (5, 5, 3)
    for number in (0, 4, -1):
        assert_trees_equal(trajectory[number], make_params(number % 5))
    assert trajectory.template == jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), make_params(0)
    )


def test_slices_keep_their_steps(make_params, assert_trees_equal):
    trajectory = Trajectory.stack(map(make_params, range(6)))
    part = trajectory[1:][::2]
    assert part.steps.tolist() == [1, 3, 5]
    assert_trees_equal(part[1], make_params(3))


def test_jax_arrays_stay_on_the_device():
    trajectory = Trajectory.stack([{"w": jnp.full(2, t)} for t in range(3)])
    assert isinstance(trajectory.params["w"], jax.Array)
    assert isinstance(trajectory.read(0, 0, 1), jax.Array)


def test_iteration_ends(make_params):
    trajectory = Trajectory.stack(map(make_params, range(3)))
    assert [int(record["counter"]) for record in trajectory] == [0, 1, 2]
    with pytest.raises(IndexError, match="record 3 of a trajectory of 3"):
        trajectory[3]


def test_read_and_gather(make_params):
    records = [make_params(step) for step in range(4)]
    trajectory = Trajectory.stack(records)
    kernel = np.stack([record["dense"]["kernel"].ravel() for record in records])
    np.testing.assert_array_equal(trajectory.read(2, 3, 9), kernel[:, 3:9])
    offsets = np.array([14, 0, 3])
    np.testing.assert_array_equal(trajectory.gather(2, offsets), kernel[:, offsets])
    assert trajectory.read(0, 0, 1).dtype == np.int32


@pytest.mark.parametrize("dtype", [np.float16, np.float64, jnp.bfloat16])
def test_reads_are_float32(dtype):
    trajectory = Trajectory.stack([{"w": np.ones(3, dtype)}] * 2)
    assert trajectory.read(0, 0, 3).dtype == np.float32
    assert trajectory[0]["w"].dtype == dtype


def test_is_a_pytree_with_static_steps(make_params):
    trajectory = Trajectory.stack(map(make_params, range(3)), steps=[0, 5, 10])
    changed = jax.tree.map(lambda leaf: leaf[::-1], trajectory)
    assert changed.steps.tolist() == [0, 5, 10]
    traces = []

    @jax.jit
    def final(t):
        traces.append(t.steps.tolist())
        return t[1:]

    assert final(trajectory).steps.tolist() == [5, 10]
    final(changed)
    assert traces == [[0, 5, 10]]
    final(Trajectory(trajectory.params, np.array([0, 5, 11])))
    assert traces == [[0, 5, 10], [0, 5, 11]]


def test_coordinates_are_static_and_compared():
    def labelled(offset):
        return Trajectory(
            {"w": np.ones((2, 1))}, np.arange(2), {"w": np.array([offset])}
        )

    structures = [jax.tree.structure(labelled(offset)) for offset in (3, 3, 4)]
    assert structures[0] == structures[1]
    assert structures[0] != structures[2]


def test_load_is_the_identity(make_params):
    trajectory = Trajectory.stack([make_params(0)])
    assert trajectory.load() is trajectory


def test_other_shape_names_leaf_and_record():
    records = [{"w": np.zeros(3)}, {"w": np.zeros(3)}, {"w": np.zeros(4)}]
    with pytest.raises(ValueError, match=r"'w' is float64\[4\] in record 2"):
        Trajectory.stack(records)


def test_missing_leaf_is_named():
    with pytest.raises(ValueError, match="'v' is missing in record 1"):
        Trajectory.stack([{"v": np.zeros(1), "w": np.zeros(1)}, {"w": np.zeros(1)}])


def test_other_node_types_are_named():
    with pytest.raises(ValueError, match="record 1 has the structure"):
        Trajectory.stack([[np.zeros(1)], (np.zeros(1),)])


@pytest.mark.parametrize(
    ("steps", "message"),
    [([0], "one integer for each"), ([0, 0], "increase"), ([0.5, 1.5], "one integer")],
)
def test_bad_steps(steps, message):
    with pytest.raises(ValueError, match=message):
        Trajectory.stack([np.zeros(1)] * 2, steps=steps)


def test_no_records():
    with pytest.raises(ValueError, match="at least one"):
        Trajectory.stack([])
