"""ImageNet's config on a small folder of image files, fed by the host."""

import jax
import numpy as np
import pytest
from PIL import Image

from cmd_jax import config as configs
from cmd_jax import train
from experiments.configured.programs import initial_states, make_chunk
from experiments.configured.setup import prepare
from experiments.transfer.checks import FIELDS, check
from experiments.transfer.methods import make_batches


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two classes of images of many sizes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    draws = np.random.default_rng(0)
    for split, number in (("train", 10), ("val", 2)):
        for name in ("one", "two"):
            place = tmp_path / "images" / split / name
            place.mkdir(parents=True)
            for n in range(number):
                size = (*draws.integers(20, 60, 2), 3)
                image = Image.fromarray(draws.integers(0, 256, size, np.uint8))
                image.save(place / f"{n}.png")
    return tmp_path / "images"


@pytest.fixture
def config(repository, folder):
    """The config with a narrow network, and few and small images."""
    found = configs.load(repository / "configs" / "transfer_imagenet.py", "width=1")
    found.data.folder = str(folder)
    found.data.update(storage_size=40, image_size=32, num_validation=4)
    found.data.placement = "host"
    found.optimizer.warmup_epochs = 0
    found.train.update(total_epochs=1, batch_size=8, num_seeds=2)
    found.transfer.update(num_micro=2, batch_size=4)
    return found


@pytest.mark.slow
def test_a_step_is_trained_on_it(config, key):
    setup = prepare(config, None, {"transfer": FIELDS})
    check(setup)
    assert setup.placement == "host" and setup.steps_per_epoch == 2
    before = jax.tree.map(np.array, initial_states(setup, [key]))
    after, _ = train.train(
        initial_states(setup, [key]),
        make_chunk(setup, [key]),
        (),
        start_step=0,
        num_steps=1,
        steps_per_epoch=setup.steps_per_epoch,
        chunk_steps=1,
    )
    kernels = [state[0].params["conv"]["kernel"] for state in (before, after)]
    assert kernels[0].shape == (7, 7, 3, 1)
    assert np.isfinite(kernels[1]).all() and (kernels[0] != kernels[1]).any()


def test_gradients_are_of_crops_of_its_images(config, key):
    setup = prepare(config, None, {"transfer": FIELDS})
    batch = make_batches(setup, key=key)(1, 1)
    assert batch["inputs"].shape == (2, 4, 32, 32, 3)
    assert batch["labels"].shape == (2, 4)
    assert len(np.unique(batch["inputs"].reshape(8, -1), axis=0)) == 8


@pytest.mark.parametrize(("dataset", "number"), [("cars", 814), ("cub", 599)])
def test_fine_tuning_begins_with_a_head_of_its_own(repository, dataset, number):
    path = repository / "configs" / f"transfer_imagenet_{dataset}.py"
    found = configs.load(path)
    assert found.data.folder == dataset and found.data.num_validation == number
    assert found.branch.fresh == "dense/*" and found.optimizer.warmup_epochs == 0
    assert found.transfer.num_steps == 15 and found.transfer.num_micro == 5
