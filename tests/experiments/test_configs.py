"""Every config runs in small, and is what it says in full."""

import html
import pathlib

import jax
import numpy as np
import pytest

from cmd_jax import config as configs
from cmd_jax import data, models, runs, trees
from cmd_jax.report import METHODS
from experiments.configured.estimators import NAMES

FOLDER = pathlib.Path(__file__).parents[2] / "configs"

LONG = (  # many layers, or many programs
    "googlenet",
    "googlenet_subspace",
    "lenet5_subspace",
    "mnist_mlp_subspace",
    "pre_resnet",
    "pre_resnet_subspace",
    "resnet18_subspace",
    "tiny_shakespeare",
    "transfer_cifar10_cifar100",
    "transfer_cifar10_conv8",
    "transfer_imagenet",
    "transfer_imagenet_cars",
    "transfer_imagenet_cub",
    "vit_b16",
    "vit_b16_subspace",
    "wide_resnet",
    "wide_resnet_subspace",
)

# A sweep is several runs, of a config that runs on its own too.
SMOKES = [
    pytest.param(name, marks=[pytest.mark.slow] * (len(swept) > 1 or name in LONG))
    for name in configs.names(FOLDER)
    if (swept := configs.overrides(FOLDER / f"{name}.py"))
]

# Of each study: what its page says, and the methods whose accuracy its results hold.
SHOWN = {
    "batch_size": (("Test accuracy", "The learning rate is constant."), set()),
    "correlation_modes": (
        (*NAMES.values(), "post-hoc CMD", "random-walk null"),
        {"sgd", "cmd", *NAMES},
    ),
    "least_action": (
        ("geodesic index", "best on the validation split"),
        {"last", "best"},
    ),
    "phase_transition": (("The models are a reconstruction", "Thresholds"), set()),
    "transfer": (
        ("Naive", "GMT", "FGMT", "Oracle", "barrier"),
        {"naive", "gmt", "fgmt", "oracle", "source", "trained", "scratch"},
    ),
}


@pytest.mark.parametrize("name", SMOKES)
def test_every_config_runs_as_smoke(name, run_main, tmp_path):
    study = configs.load(FOLDER / f"{name}.py").study
    fewest_seeds = f"--config.train.num_seeds={2 if study == 'transfer' else 1}"
    assert run_main(tmp_path, "--config", f"{name}:smoke", fewest_seeds) == 0
    directories = list(tmp_path.glob(f"{name}-*"))
    assert len(directories) == len(configs.overrides(FOLDER / f"{name}.py"))
    words, methods = SHOWN[study]
    for directory in directories:
        page = (directory / "report.html").read_text()
        assert [word for word in words if word not in page] == []
        results = runs.RunDirectory(directory).seed(0).results()
        if methods:
            assert html.escape(results["statistics"]) in page
            assert set(results["accuracy"]) == _with_options(methods, results)
        assert list((directory / "tables").glob("*.csv"))
        assert list((directory / "tables").glob("*.md"))


def _with_options(methods, results):
    """The methods, where weights are embedded or training goes on in a subspace."""
    if "num_embedded" in results:
        methods = methods - {"sgd"} | {"embedded"}
    return methods | set(results.get("subspace", {}))


@pytest.mark.parametrize("name", configs.names(FOLDER))
def test_the_docstring_says_paper_command_hardware_and_expectation(name):
    text = (FOLDER / f"{name}.py").read_text().split('"""')[1]
    for word in ("Paper:", f"--config {name}", "Hardware:"):
        assert word in text, word


def _template(name, shape):
    config = configs.load(FOLDER / f"{name}.py")
    network = models.create(**config.model.to_dict(), num_classes=10)
    images = np.zeros((1, *shape), np.float32)
    return jax.eval_shape(network.init, jax.random.key(0), images)[0]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("googlenet", 6_166_250),
        ("lenet5", 548_878),
        ("pre_resnet", 2_605_466),
        ("resnet18", 11_173_962),
        ("wide_resnet", 36_489_290),
    ],
)
def test_has_the_papers_size(name, size):
    assert trees.count(_template(name, (32, 32, 3))) == size


@pytest.mark.parametrize("argument", ["", "smoke"])
@pytest.mark.parametrize(
    "row", ["googlenet", "lenet5", "pre_resnet", "resnet18", "vit_b16", "wide_resnet"]
)
def test_p_bfgs_goes_on_from_the_training_of_its_row(row, argument):
    trained = configs.load(FOLDER / f"{row}.py", argument).to_dict()
    config = configs.load(FOLDER / f"{row}_subspace.py", argument).to_dict()
    methods = [METHODS[name] for name in config["subspace"]["methods"]]
    assert sorted(config["paper"]) == sorted(methods)
    for document in (trained, config):
        document.pop("subspace", None)
        document.pop("paper")
    assert config == trained


def test_the_four_optimizers_stand_beside_the_papers_numbers():
    swept = configs.overrides(FOLDER / "resnet18_optimizers.py")
    found = [override["paper.Online CMD"] for override in swept]
    assert [text.split()[0] for text in found] == ["92.26", "92.43", "91.68", "91.70"]
    for name in ("digits", "mnist_mlp"):
        sweep = configs.overrides(FOLDER / f"{name}_optimizers.py")
        digests = set()
        for override in sweep:
            config = configs.load(FOLDER / f"{name}_optimizers.py")
            config.update_from_flattened_dict(override)
            assert config.estimators == configs.estimators()
            digests.add(configs.digest(config))
        assert len(digests) == 4


def test_resnet18_is_tested_in_the_papers_batches():
    config = configs.load(FOLDER / "resnet18.py")
    assert config.model.statistics == "batch"
    assert config.eval.batch_size == 128
    assert config.optimizer.weight_decay == 0
    options = configs.load(
        FOLDER / "resnet18.py", "width=16,statistics=running,dtype=bfloat16,remat"
    ).model
    assert options.to_dict() == {
        "name": "resnet18",
        "width": 16,
        "statistics": "running",
        "dtype": "bfloat16",
        "remat": True,
    }


def test_running_statistics_are_re_estimated_and_named(run_main, tmp_path):
    assert run_main(tmp_path, "--config", "resnet18:smoke,statistics=running") == 0
    (directory,) = tmp_path.glob("resnet18-*")
    used = "running, re-estimated on 128 training images, batches of 16"
    assert runs.RunDirectory(directory).seed(0).results()["statistics"] == used
    assert used in (directory / "report.html").read_text()


def test_the_image_data_sets_run_from_their_files(run_main, tmp_path, data_folder):
    del data_folder
    assert data.load("cifar10").train.inputs.shape == (50_000, 32, 32, 3)
    arguments = ("--config", "lenet5:width=1", "--dry_run")
    assert run_main(tmp_path, *arguments) == 0
