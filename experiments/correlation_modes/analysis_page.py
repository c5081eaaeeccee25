"""The page's sections on M, landscape, path and claims, of the arrays of `analysis`."""

from collections.abc import Mapping, Sequence

import numpy as np

from cmd_jax.modes import figures
from cmd_jax.report import Figure, Section, Table, mean_std
from cmd_jax.trajectory import figures as path_figures

Seeds = Sequence[Mapping[str, np.ndarray]]

_NO_GRID = (
    "Not drawn for this run: networks are evaluated on a grid where all weights were "
    "recorded and there are at most a million of them."
)


def sections(arrays: Seeds, first_seed: int) -> list[Section]:
    """The sections over the finished seeds.

    Args:
      arrays: what each seed has handed over.
      first_seed: the number of the seed that single figures show.
    """
    return [
        _how_many(arrays, first_seed),
        _landscape(arrays[0], first_seed),
        _path(arrays, first_seed),
        _claims(arrays),
    ]


def _how_many(arrays: Seeds, first_seed: int) -> Section:
    seed = arrays[0]
    candidates = seed["choice_candidates"]
    found = np.stack([one["choice_r_squared"] for one in arrays])
    null = np.stack([one["choice_null"] for one in arrays])
    suggested = int(seed["choice_suggested"]) or None
    rows = [
        [
            int(number),
            *(mean_std(values[:, i], digits=3) for values in (found, null)),
            mean_std((found - null)[:, i], digits=3),
        ]
        for i, number in enumerate(candidates)
    ]
    votes = [str(int(one["choice_suggested"]) or "none") for one in arrays]
    return Section(
        "How many modes",
        "The fit gets better with every mode, and that of random walks does too: what "
        "counts is the gain over them. Suggested is the smallest M whose gain is "
        f"within 0.02 of the largest, none if that is below 0.05. Seed {first_seed}: "
        f"{seed['choice_reason']}. By seed: {', '.join(votes)}.",
        [
            Figure(
                "Mean R² of all weights against the number of modes.",
                figures.num_modes(candidates, found, null, suggested),
            )
        ],
        [
            Table(
                "Number of modes: mean R², mean ± std (seeds)",
                ["M", "training", "random walks", "gain"],
                rows,
            )
        ],
    )


def _landscape(seed: Mapping[str, np.ndarray], first_seed: int) -> Section:
    title = "Landscape"
    if "landscape_losses" not in seed:
        return Section(title, _NO_GRID)
    losses, names = seed["landscape_losses"], [str(n) for n in seed["panel_names"]]
    image = figures.landscape(
        seed["landscape_x"],
        seed["landscape_y"],
        losses,
        seed["landscape_place"],
        names,
    )
    lowest = np.nanmin(losses, axis=(0, 1))
    rows = [
        [name, float(final), float(low)]
        for name, final, low in zip(names, seed["landscape_final"], lowest, strict=True)
    ]
    return Section(
        title,
        "With two modes the network is a function of two reference weights. They are "
        "varied by ± 50 % of their last values, at fixed a, b and modes; the paper "
        "draws 50 × 50 networks, this page "
        f"{len(losses)} × {losses.shape[1]}, on at most 500 examples of each set.",
        [Figure(f"Loss over the two references, seed {first_seed}.", image)],
        [
            Table(
                f"Landscape: loss (nats) of seed {first_seed}",
                ["examples", "CMD, last record", "lowest on the grid"],
                rows,
            )
        ],
    )


def _path(arrays: Seeds, first_seed: int) -> Section:
    title, seed = "Path", arrays[0]
    lengths = np.stack([one["path_length"] for one in arrays])
    length = (
        f"From record to record the path is {mean_std(lengths[:, 0])} long, its ends "
        f"are {mean_std(lengths[:, 1])} apart."
    )
    explained = np.stack([one["path_explained"].sum() for one in arrays])
    around = None
    if "path_losses" in seed:
        around = (seed["path_x"], seed["path_y"], seed["path_losses"])
    image = path_figures.path(seed["path_coordinates"], seed["path_explained"], around)
    colours = (
        "Colours are the training loss of networks in the plane; the records lie above "
        "or below it."
    )
    return Section(
        title,
        "The plane that the recorded networks stay closest to: their first two "
        f"principal components, with {mean_std(100 * explained, digits=1)} % of the "
        f"variance. {colours if around else ''} {length}",
        [Figure(f"The records in their principal plane, seed {first_seed}.", image)],
    )


def _claims(arrays: Seeds) -> Section:
    return Section(
        "Claims of the papers",
        "Every mode is spread over all layers: the overlap of a mode is the sum over "
        "the leaves of the smaller of two shares, of the mode's weights and of all "
        "weights that lie there; 1 where a mode lies as all weights do. Chance draws "
        "as many weights at random.\n\n"
        "The signed correlation matrix has two anti-correlated blocks, one mode under "
        "|correlation| (the paper: about 46 % and 45 % of the weights). Here they are "
        "the sampled weights that correlate with the most central one by more than "
        "0.5, or by less than -0.5; random walks have such blocks too.",
        tables=[_spread_table(arrays[0]), _blocks_table(arrays)],
    )


def _spread_table(seed: Mapping[str, np.ndarray]) -> Table:
    names = ("num_leaves", "chance_num_leaves", "overlap", "chance_overlap")
    columns = [seed[f"spread_{name}"] for name in names]
    rows = [
        [mode, *(None if np.isnan(value) else float(value) for value in values)]
        for mode, values in enumerate(zip(*columns, strict=True))
    ]
    return Table(
        f"Spread: modes over the {len(seed['leaf_names'])} leaves, first seed",
        ["mode", "leaves", "leaves by chance", "overlap", "overlap by chance"],
        rows,
    )


def _blocks_table(arrays: Seeds) -> Table:
    found = np.stack([one["blocks"] for one in arrays])
    null = np.stack([one["null_blocks"] for one in arrays])
    paper = ["46", "45", None, None]
    labels = (
        "larger block (% of the weights)",
        "smaller block (%)",
        "mean correlation within",
        "mean correlation between",
    )
    rows = []
    for i, label in enumerate(labels):
        scale, digits = (100, 1) if i < 2 else (1, 2)
        cells = (mean_std(scale * x[:, i], digits=digits) for x in (found, null))
        rows.append([label, *cells, paper[i]])
    return Table(
        "Blocks: of the signed correlation matrix, mean ± std (seeds)",
        ["", "training", "random walks", "paper"],
        rows,
    )
