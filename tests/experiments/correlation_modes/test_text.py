"""A run on a text: what does not fit is refused, and what its landscape is made of."""

import pytest

from cmd_jax import config as configs
from cmd_jax import data
from experiments.configured.setup import prepare
from experiments.correlation_modes import analysis


@pytest.fixture
def config(repository):
    return configs.load(repository / "configs" / "tiny_shakespeare.py", "smoke")


def _study(config):
    return {"modes": config.modes.to_dict()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("digits:smoke", "--config.data.name=synthetic_text"),
            "'mlp' and 'synthetic_text' is a text: allowed are models that are among",
        ),
        (
            ("tiny_shakespeare:smoke", "--config.model.context=4"),
            "sequences of 8 tokens; allowed are at most context=4",
        ),
        (
            ("tiny_shakespeare:smoke", "--config.data.flip=True"),
            "a text is not augmented",
        ),
    ],
)
def test_what_does_not_fit_is_one_message(
    run_main, tmp_path, capsys, arguments, message
):
    assert run_main(tmp_path / "x", "--config", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_decoder_takes_no_images(config):
    with config.unlocked():
        config.data = configs.defaults().data
    with pytest.raises(ValueError, match="'digits' is no text: allowed are models"):
        prepare(config, None, _study(config))


def test_the_landscape_has_panels_of_both_sets_and_as_many_tokens(config):
    panels = analysis._panels(data.synthetic_text(context=7, num_train=1000))
    sizes = {name: len(examples.labels) for name, examples in panels.items()}
    assert sizes == {"training set": 714, "test set": 64}
