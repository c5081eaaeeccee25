"""Figures of a flow are images, and the film moves."""

import io
import itertools

import numpy as np
from PIL import Image

from cmd_jax.least_action import figures

DRAWS = np.random.default_rng(0)


def test_every_figure_is_an_svg():
    energy = DRAWS.exponential(size=(3, 4)) * np.array([1, 1, 1, 1000.0])
    energy[:, 2] = np.nan
    intervals = np.array([[0.4, 0.6], [0.8, 0.8]])
    runs = {"vanilla": energy, "LAP": energy / 10}
    sized = (np.array([10, 100]), np.array([0.5, 0.8]), intervals)
    images = [
        figures.training({"L": (np.arange(4), energy), "C": (np.arange(4), -energy)}),
        figures.by_block({"energy": runs, "ratio": runs}),
        figures.clouds(DRAWS.normal(size=(3, 8, 2)), DRAWS.integers(0, 2, 8)),
        figures.accuracy_by_energy({"LAP": (np.ones(3), np.full(3, 0.9))}),
        figures.accuracy_by_size({"LAP": sized, "vanilla": sized}),
    ]
    assert all(image.startswith(b"<?xml") for image in images)
    assert b"vanilla" in images[1] and b"LAP" in images[1]


def test_the_film_is_an_animated_png_that_pauses_at_its_ends():
    cloud = np.stack([np.zeros((6, 2)), np.ones((6, 2)), 2 * np.ones((6, 2))])
    film = Image.open(io.BytesIO(figures.film(cloud, np.array([0, 1] * 3))))
    assert film.format == "PNG"
    assert film.n_frames == 9
    durations, pictures = [], []
    for frame in range(film.n_frames):
        film.seek(frame)
        durations.append(film.info["duration"])
        pictures.append(np.asarray(film.convert("RGB")))
    assert durations == [800, *7 * [80], 800]
    assert all((a != b).any() for a, b in itertools.pairwise(pictures))
