"""The page's section on embedded training: what was trained, with what memory."""

from typing import Any

import numpy as np
from jaxtyping import Int64

from cmd_jax import train, trees
from cmd_jax.modes import figures
from cmd_jax.report import Figure, Section, Table, mean_std
from experiments.configured import embedding
from experiments.configured.setup import Setup
from experiments.study_page import FinishedRun
from experiments.training.embedding_rounds import memory, num_free, template


def results(setup: Setup, state: train.TrainState) -> dict[str, Any]:
    """A trained seed's numbers, counted in its last state."""
    if not embedding.is_asked_for(setup.config):
        return {}
    return {
        "num_weights": trees.count(state.params),
        "num_embedded": state.optimizer_state.embedding.num_embedded,
        "optimizer_bytes": memory(state.optimizer_state),
    }


def arrays(setup: Setup, steps: Int64[np.ndarray, " records"]) -> dict[str, np.ndarray]:
    """What was trained up to each record: the share of weights, and the memory."""
    if not embedding.is_asked_for(setup.config):
        return {}
    templates = [template(setup, step) for step in steps.tolist()]
    trained = [num_free(setup, step) for step in steps.tolist()]
    return {
        "trained_share": np.array(trained) / trees.count(setup.template.params),
        "optimizer_bytes": np.array([memory(t.optimizer_state) for t in templates]),
    }


def sections(run: FinishedRun) -> list[Section]:
    """The section, where the run has embedded weights."""
    if "num_embedded" not in run.results[0]:
        return []
    seed, block = run.arrays[0], run.document["config"]["embedding"]
    image = figures.embedding(
        seed["epochs"],
        seed["trained_share"],
        seed["optimizer_bytes"],
        seed["evaluated_epochs"],
        np.stack([one["accuracy_embedded"] for one in run.arrays]),
    )
    return [
        Section(
            "Embedded training",
            f"Treatment: {block['treatment']}. {_TREATMENTS[block['treatment']]} From "
            f"round to round are {block['every_records']} records; in each, "
            f"{block['per_cent']:g} % of {_AMONG[block['of_remaining']]} are embedded, "
            "those whose fit has moved least since the last one. The references are "
            "always trained. A record shows the network before the round that is made "
            "there.",
            [Figure("Trained weights, the optimizer's memory, test accuracy.", image)],
            [_table(run)],
        )
    ]


_AMONG = {False: "all weights", True: "the weights that are left"}
_TREATMENTS = {
    "snap": "Embedded weights are trained like all others and set back to their "
    "function of the reference at the end of each epoch, as in the authors' release.",
    "freeze": "Embedded weights follow their references; their gradients are not used.",
    "tied": "Embedded weights follow their references, whose gradients are those of "
    "the reduced model; the optimizer keeps nothing for them.",
}


def _table(run: FinishedRun) -> Table:
    number, embedded = run.collect("num_weights"), run.collect("num_embedded")
    at_first = np.array([seed["optimizer_bytes"][0] for seed in run.arrays])
    rows = [
        ["weights", mean_std(number, digits=0)],
        ["embedded", mean_std(embedded, digits=0)],
        ["embedded (%)", mean_std(100 * embedded / number)],
        ["optimizer's memory at first (bytes)", mean_std(at_first, digits=0)],
        [
            "optimizer's memory (bytes)",
            mean_std(run.collect("optimizer_bytes"), digits=0),
        ],
    ]
    return Table(
        "Embedding: at the end of the training, mean ± std (seeds)",
        ["", "value"],
        rows,
    )
