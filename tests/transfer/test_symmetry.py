"""Groups read from programs, against lists by hand and against what a group must do."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import transfer
from tests.transfer import networks, own_models
from tests.transfer.networks import shape

NETWORKS = own_models.MODELS | networks.NETWORKS
SLOW = ("googlenet", "resnext50")  # to compile
COMPILED = [
    pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name
    for name in NETWORKS
]


@functools.cache
def network_and_groups(name):
    network = NETWORKS[name]()
    found = transfer.permutation_groups(
        network.apply, network.variables, network.inputs
    )
    return network, found


@functools.cache
def original_and_permuted(name):
    """Outputs and gradients of a network and of a permuted one, by one program."""
    network, groups = network_and_groups(name)
    generator = np.random.default_rng(0)
    draw = functools.partial(_draw, generator)
    variables = jax.tree.map(draw, network.variables)
    inputs = jnp.asarray(draw(network.inputs))
    permutation = transfer.random_permutation(groups, key=jax.random.key(1))
    permute = jax.jit(functools.partial(transfer.permute, groups, permutation))

    @jax.jit
    def run(variables):
        def loss(variables):
            outputs = network.apply(variables, inputs)
            weights = jnp.linspace(0.5, 1.5, outputs.size).reshape(outputs.shape)
            return (weights * jnp.sin(outputs)).sum(), outputs

        gradient, outputs = jax.grad(loss, has_aux=True)(variables)
        return outputs, gradient

    outputs, gradient = run(variables)
    permuted_outputs, permuted_gradient = run(permute(variables))
    return (outputs, permute(gradient)), (permuted_outputs, permuted_gradient)


def _draw(generator, leaf):
    if leaf.dtype == jnp.int32:
        return generator.integers(0, 7, leaf.shape, np.int32)
    spread = 1 / np.sqrt(np.prod(leaf.shape[:-1]))
    values = spread * generator.normal(size=leaf.shape)
    if len(leaf.shape) == 1:  # biases, scales and variances
        values = generator.uniform(0.5, 1.5, leaf.shape)
    return values.astype(np.float32)


def described(group):
    places = (place.describe(group.size) for place in group.occurrences)
    return frozenset(x.removeprefix("params/").replace(" axis", "") for x in places)


@pytest.mark.parametrize("name", NETWORKS)
def test_exactly_the_groups_written_by_hand_are_found(name):
    network, found = network_and_groups(name)
    assert {described(group) for group in found} == set(map(frozenset, network.groups))
    assert len(found) == len(network.groups)


@pytest.mark.parametrize("name", COMPILED)
def test_a_permuted_network_is_the_same_function(name):
    (outputs, _), (permuted_outputs, _) = original_and_permuted(name)
    np.testing.assert_allclose(permuted_outputs, outputs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", COMPILED)
def test_the_gradient_of_a_permuted_network_is_the_permuted_gradient(name):
    (_, expected), (_, found) = original_and_permuted(name)
    leaves = [*zip(*map(jax.tree.leaves, (found, expected)), strict=True)]
    largest = max(np.abs(other).max() for _, other in leaves)
    for one, other in leaves:
        tolerance = 3e-5 * np.abs(other).max() + 1e-7 * largest
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


def layers(params, x):
    return jnp.tanh(x @ params["in"]) @ params["out"]


SHAPES = {"in": shape(2, 5), "out": shape(5, 3)}


def test_what_has_no_influence_is_in_no_group():
    variables = SHAPES | {"unused": shape(4, 4), "step": 3, "single": shape(1, 3)}
    (group,) = transfer.permutation_groups(layers, variables, shape(2, 2))
    assert described(group) == {"in 1", "out 0"}


def test_only_shapes_matter():
    arrays = jax.tree.map(lambda leaf: np.ones(leaf.shape), SHAPES)
    inputs = np.ones((2, 2))
    expected = transfer.permutation_groups(layers, SHAPES, shape(2, 2))
    assert transfer.permutation_groups(layers, arrays, inputs) == expected
    assert hash(expected) == hash(transfer.permutation_groups(layers, arrays, inputs))


def test_a_function_without_symmetry_has_no_groups():
    groups = transfer.permutation_groups(lambda w, x: x @ w, shape(2, 3), shape(2, 2))
    assert len(groups) == 0


def test_a_state_that_is_given_back_stays_in_place():
    def apply(variables, x):
        return layers(variables, x), variables["in"]

    assert len(transfer.permutation_groups(apply, SHAPES, shape(2, 2))) == 0


def test_a_leaf_that_is_no_array_is_named():
    variables = SHAPES | {"activation": jnp.tanh}
    with pytest.raises(
        TypeError, match=r"'activation' of the variables is .* Close over"
    ):
        transfer.permutation_groups(layers, variables, shape(2, 2))
