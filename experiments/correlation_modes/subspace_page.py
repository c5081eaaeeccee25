"""The page's section on training in the subspace of a run's first records."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cmd_jax.report import METHODS, Cell, Section, Table, mean_std
from experiments.study_page import FinishedRun


def sections(run: FinishedRun) -> list[Section]:
    """The section, where the run was asked for it."""
    if "subspace" not in run.document["config"]:
        return []
    block = run.document["config"]["subspace"]
    found = [result["subspace"] for result in run.results]
    failures = [
        f"Seed {seed}, {METHODS[name]}: {one['failure']}."
        for seed, methods in zip(run.seeds, found, strict=True)
        for name, one in methods.items()
        if one["failure"]
    ]
    names = [name for name in METHODS if name in found[0]]
    text = (
        f"{', '.join(METHODS[name] for name in names)}: training in the principal "
        "directions of the run's first records, from its initialisation: "
        f"{block['equal_records']} records for P-BFGS (equal), "
        f"{block['long_records']} for the others. These epochs count "
        "as theirs. A line search tries lengths 1, 0.4, 0.4², ... until the loss of "
        "its batch falls by 0.4 of what the gradient promises; of 20 trials that all "
        "fail no step is taken."
    )
    rows = [_row(name, [methods[name] for methods in found]) for name in names]
    return [
        Section(
            "Training in a subspace",
            "\n\n".join([text, *failures]),
            tables=[
                Table(
                    "Subspace: directions, steps and line searches, mean ± std (seeds)",
                    [
                        "method",
                        "directions",
                        "steps",
                        "steps taken (%)",
                        "trials a step",
                        "last step taken",
                    ],
                    rows,
                )
            ],
        )
    ]


def _row(name: str, seeds: list[Mapping[str, Any]]) -> list[Cell]:
    ended = [one for one in seeds if not one["failure"]]

    def collect(field: str) -> np.ndarray:
        return np.array([one[field] for one in ended if field in one], float)

    steps, taken = collect("num_steps"), collect("num_taken")
    searched = taken.size > 0
    return [
        METHODS[name],
        mean_std(collect("num_directions"), digits=0),
        mean_std(steps, digits=0),
        mean_std(100 * taken / steps, digits=1) if searched else None,
        mean_std(collect("num_trials") / steps) if searched else None,
        mean_std(collect("last_taken"), digits=0) if searched else None,
    ]
