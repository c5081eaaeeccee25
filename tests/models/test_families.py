"""Networks by name, and what a misspelt one gets."""

import pytest

from cmd_jax import models


def test_says_which_families_convolve() -> None:
    assert not models.create("mlp", num_classes=10).convolutional
    assert models.create("lenet5", num_classes=10).convolutional


def test_refuses_an_unknown_name_with_a_suggestion() -> None:
    with pytest.raises(
        ValueError, match=r"did you mean 'lenet5'.*decoder, googlenet, lenet5, mlp"
    ):
        models.create("lenet", num_classes=10)


def test_refuses_an_option_of_another_family() -> None:
    with pytest.raises(TypeError, match=r"'mlp' has no option 'width'.*are hidden"):
        models.create("mlp", num_classes=10, width=3)


@pytest.mark.parametrize("field", ["parent", "name_", "num_class"])
def test_refuses_what_only_flax_knows(field: str) -> None:
    with pytest.raises(TypeError, match=f"no option '{field}'"):
        models.create("lenet5", num_classes=10, **{field: 3})


def test_refuses_no_classes() -> None:
    with pytest.raises(ValueError, match="num_classes=0; allowed is at least 1"):
        models.create("mlp", num_classes=0)
