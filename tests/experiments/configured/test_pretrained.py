"""Runs from pretrained weights: what they start from, their names, what is refused."""

import json
import shutil

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from cmd_jax import config as configs
from cmd_jax import models
from cmd_jax.models.vit_forms import torchvision_form
from cmd_jax.runs import SeedDirectory
from cmd_jax.trajectory import Trajectory
from experiments.configured import pretrained
from experiments.configured.programs import initial_states
from experiments.configured.setup import prepare

SMOKE = (
    *("--config", "vit_b16:smoke", "--config.train.total_epochs=3"),
    *(
        f"--config.estimators.{name}.every_records=0"
        for name in ("ema", "swa", "lawa", "online", "random_references")
    ),
)


@pytest.fixture
def load(repository):
    """`load(weights)`: the small config with a file of weights."""

    def load(weights):
        config = configs.load(repository / "configs" / "vit_b16.py", "smoke")
        config.branch.weights = str(weights)
        return config

    return load


@pytest.fixture
def draw(load, tmp_path):
    """`draw(name)`: a file of random weights, of the small ViT with seven classes."""

    def draw(name, seed=0):
        options = load("").model.to_dict()
        network = models.create(**options, num_classes=7)
        images = np.zeros((1, 8, 8, 3), np.float32)
        params, _ = jax.eval_shape(network.init, jax.random.key(0), images)
        generator = np.random.default_rng(seed)
        arrays = {
            name: generator.normal(size=x.shape).astype(np.float32)
            for name, x in jax.eval_shape(torchvision_form, params).items()
        }
        save_file(arrays, tmp_path / name)
        return arrays

    return draw


def test_the_seeds_begin_with_the_file_and_their_own_head(draw, load, tmp_path):
    arrays = draw("vit.safetensors")
    config = load(tmp_path / "vit.safetensors")
    setup = prepare(config, None, {"modes": configs.modes().to_dict()})
    states = initial_states(setup, [jax.random.key(0)])
    directory = SeedDirectory(tmp_path / "seed_0")
    (begun,) = pretrained.begin(setup.config, states, {0: directory})
    np.testing.assert_array_equal(begun.params["token"], arrays["class_token"])
    np.testing.assert_array_equal(
        begun.params["head"]["kernel"], states[0].params["head"]["kernel"]
    )
    assert jax.tree.structure(begun) == jax.tree.structure(states[0])
    assert json.loads(directory.branch.read_text()) == {
        "weights": str(tmp_path / "vit.safetensors"),
        "source": setup.config.branch.source,
        "head": "initial (the file's has 7 classes)",
    }


@pytest.mark.slow
def test_a_run_starts_from_the_file_with_a_new_head(draw, run_main, tmp_path, capsys):
    arrays, path = draw("vit.safetensors"), tmp_path / "vit.safetensors"
    arguments = (*SMOKE, f"--config.branch.weights={path}")
    assert run_main(tmp_path / "runs", *arguments, "--dry_run") == 0
    assert f"weights     from {path} (torchvision-" in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()
    assert run_main(tmp_path / "runs", *arguments) == 0
    (directory,) = (tmp_path / "runs").glob("vit_b16-*")
    start = Trajectory.open(directory / "seed_0" / "trajectory")[0]
    np.testing.assert_array_equal(start["token"], arrays["class_token"])
    np.testing.assert_array_equal(
        start["block_0"]["dense_1"]["kernel"],
        arrays["encoder.layers.encoder_layer_0.mlp.3.weight"].T,
    )
    assert start["head"]["kernel"].shape == (8, 10)
    assert not start["head"]["kernel"].any()
    origin = json.loads((directory / "seed_0" / "branch.json").read_text())
    assert origin["weights"] == str(path)
    assert origin["source"].startswith("torchvision-")
    assert origin["head"] == "initial (the file's has 7 classes)"
    assert f"from {path} ({origin['source']}); head: initial" in capsys.readouterr().out
    document = json.loads((directory / "config.json").read_text())
    assert document["config"]["branch"]["source"] == origin["source"]


def test_a_run_is_named_by_what_is_in_the_file(draw, load, tmp_path):
    draw("vit.safetensors")
    draw("other.safetensors", seed=1)
    shutil.copy(tmp_path / "vit.safetensors", tmp_path / "moved.safetensors")

    def digest(weights):
        study = {"modes": configs.modes().to_dict()}
        return configs.digest(prepare(load(weights), None, study).config)

    first, moved, other = (
        digest(tmp_path / f"{name}.safetensors") for name in ("vit", "moved", "other")
    )
    assert first == moved
    assert len({first, other, digest("")}) == 3


def test_the_papers_row_is_refused_without_its_weights(
    repository, run_main, tmp_path, capsys
):
    name = configs.load(repository / "configs" / "vit_b16.py").branch.weights
    weights = f"--config.branch.weights={name}"
    assert run_main(tmp_path / "runs", *SMOKE, weights) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "config.branch.weights is 'vit_b_16.safetensors': there is no" in line
    assert "docs/own_model.md" in line and "--config.branch.weights= " in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("data.image_size=16", "'encoder.pos_embedding' has shape (1, 5, 8)"),
        ("model={'name': 'mlp'}", "for the models vit, not for 'mlp'"),
        ("branch.run=runs/digits-0", "a run starts from one of them"),
        ("branch.fresh=head/*", "config.branch.run is empty"),
    ],
)
def test_refusals(option, message, draw, run_main, tmp_path, capsys):
    draw("vit.safetensors")
    weights = f"--config.branch.weights={tmp_path / 'vit.safetensors'}"
    arguments = (*SMOKE, weights, f"--config.{option}")
    assert run_main(tmp_path / "runs", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
