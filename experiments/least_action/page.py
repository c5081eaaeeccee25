"""The page of LAP: its sections, over a run's finished seeds."""

from collections.abc import Mapping, Sequence

import numpy as np

from cmd_jax import runs
from cmd_jax.least_action import figures
from cmd_jax.report import (
    METHODS,
    Figure,
    Section,
    Table,
    mean_std,
    student_interval,
)
from experiments import study_page
from experiments.study_page import Content, FinishedRun

CHOICES = {choice: METHODS[choice] for choice in ("last", "best")}
"""When a network is tested, as results name it and as readers are told."""

MEASURES = {
    "kinetic_energy": "kinetic energy Σ E‖v‖²",
    "path_length": "path length h Σ E‖v‖",
    "geodesic_index": "geodesic index (1: straight, constant speed)",
    "assignment_gap": "assignment gap (1: an optimal map)",
    "multiplier": "multiplier λ",
}
"""Measures of the flow, as results name them and as readers are told."""

_MIN_SEEDS = 5  # for an interval
_PANELS = {
    "energy": "energy E‖v‖²",
    "forcing": "forcing E‖v‖",
    "relative": "E(‖v‖ / ‖x‖)",
    "alignment": "cos(v, −∇L)",
}
_CURVES = {
    "train/task_loss": "training loss L",
    "train/transport_cost": "transport cost C",
    "train/multiplier": "multiplier λ",
    "test/accuracy": "test accuracy",
    "validation/accuracy": "validation accuracy",
}


def write(directory: runs.RunDirectory) -> None:
    """Writes the page over the finished seeds of a run, and its tables beside it."""
    study_page.write(directory, _content)


def _content(run: FinishedRun) -> Content:
    variant = run.document["config"]["least_action"]["variant"]
    return Content(
        title=f"{run.document['name']}: training along the path of least action",
        subtitle=f"Variant {variant}; seeds {', '.join(map(str, run.seeds))}.",
        sections=[_accuracy(run), _flow(run), *_clouds(run)],
        highlights=[
            ("test accuracy, last epoch (%)", mean_std(100 * accuracies(run, "last"))),
            ("kinetic energy, median", f"{np.median(measured(run, _ENERGY)):.4g}"),
            ("geodesic index, median", f"{np.median(measured(run, _INDEX)):.3f}"),
        ],
        settings=[("statistics of BatchNorm", run.results[0]["statistics"])],
    )


_ENERGY, _INDEX = "kinetic_energy", "geodesic_index"


def accuracies(run: FinishedRun, choice: str) -> np.ndarray:
    """Test accuracies (fractions) of the seeds; empty without a validation split."""
    found = [result["accuracy"].get(choice) for result in run.results]
    return np.array([value for value in found if value is not None])


def measured(run: FinishedRun, name: str) -> np.ndarray:
    """A measure of the flow of every seed; empty where it was not taken."""
    found = [result["measures"]["last"].get(name) for result in run.results]
    return np.array([value for value in found if value is not None])


def interval(accuracies: np.ndarray) -> str | None:
    """Student's 95 % interval of a mean accuracy, in per cent; None for few seeds."""
    if len(accuracies) < _MIN_SEEDS:
        return None
    low, high = student_interval(100 * accuracies)
    return f"[{low:.2f}, {high:.2f}]"


def _accuracy(run: FinishedRun) -> Section:
    rows = [
        [words, mean_std(100 * found), interval(found)]
        for choice, words in CHOICES.items()
        if (found := accuracies(run, choice)).size
    ]
    return Section(
        "Training",
        _training_text(run.document["config"]) + _encoder_text(run),
        [
            Figure(
                "By epoch: line and band are mean and standard deviation over the "
                "seeds. The training's are means between two rows of the log.",
                figures.training(_curves(run.arrays)),
            )
        ],
        [
            Table(
                "Test accuracy: per cent, mean ± standard deviation (seeds)",
                ["tested", "test accuracy (%)", "95 % interval of the mean"],
                rows,
            )
        ],
    )


def _training_text(config: Mapping) -> str:
    block, data = config["least_action"], config["data"]
    variants = {
        "vanilla": "The loss alone is minimised; the transport cost is only told.",
        "fixed weight": f"L + {block['weight']:g} C is minimised.",
        "multiplier": "L + C / λ is minimised, with λ raised by "
        f"{block['rate']:g} L at every {block['every']} steps from "
        f"{block['initial']:g}, up to {block['maximum']:g}.",
    }
    size = (
        f"{block['num_train']:,} examples that each seed draws"
        + (", classes in their shares" if block["stratified"] else "")
        if block["num_train"]
        else "the whole training set"
    )
    return (
        f"{variants[block['variant']]} The cost is the {block['reduction']} over "
        f"features. Trained on {size}, without the {data['num_validation']:,} examples "
        "of the validation split, which only choose an epoch."
    )


def _encoder_text(run: FinishedRun) -> str:
    if "reconstruction_error" not in run.results[0]:
        return ""
    first, last = (
        mean_std(
            np.array([result["reconstruction_error"][name] for result in run.results]),
            digits=4,
        )
        for name in ("first_step", "last_epoch")
    )
    return (
        " The encoder is frozen, that of an auto-encoder which was trained on the same "
        "images without their labels beforehand: its mean squared error fell from "
        f"{first} in the first step to {last} in the last epoch."
    )


def _curves(
    arrays: Sequence[Mapping[str, np.ndarray]],
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    first = arrays[0]
    return {
        words: (
            first["trained_epochs" if name.startswith("train/") else "tested_epochs"],
            np.stack([seed[name] for seed in arrays]),
        )
        for name, words in _CURVES.items()
        if name in first
    }


def _flow(run: FinishedRun) -> Section:
    name = run.document["name"]
    panels = {
        words: {name: np.stack([seed[key] for seed in run.arrays])}
        for key, words in _PANELS.items()
    }
    rows = []
    for key, words in MEASURES.items():
        if (found := measured(run, key)).size:
            low, middle, high = np.quantile(found, [0.25, 0.5, 0.75])
            rows.append([words, mean_std(found, digits=3), middle, low, high])
    stages = len(run.arrays[0]["geodesic_index"])
    return Section(
        "The flow",
        "Measured on the test set at the end of training, features summed. On straight "
        "paths at constant speed, which least action leads to, every block has the "
        "same energy and the geodesic index is 1."
        + (f" Ratios are means over {stages} stages." if stages > 1 else ""),
        [
            Figure(
                "Each block: medians and quartiles over the seeds. Alignment is that "
                "of the displacement with the descent of the loss.",
                figures.by_block(panels),
            )
        ],
        [
            Table(
                "Flow: measures of the trained network over the seeds",
                ["measure", "mean ± std (seeds)", "median", "25 %", "75 %"],
                rows,
            )
        ],
    )


def _clouds(run: FinishedRun) -> list[Section]:
    first = run.arrays[0]
    if "cloud" not in first:
        return []
    shown = f"Test points of seed {run.seeds[0]}"
    drawn = (first["cloud"], first["cloud_labels"])
    return [
        Section(
            "Point clouds",
            "The classifier is frozen, and its boundary far away: the blocks have to "
            "carry one class across it.",
            [
                Figure(f"{shown} before and after each block.", figures.clouds(*drawn)),
                Figure(f"{shown} on their way.", figures.film(*drawn)),
            ],
        )
    ]
