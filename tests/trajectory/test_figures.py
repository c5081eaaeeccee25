"""The figure of a path: valid, reproducible, with and without the loss around it."""

import xml.etree.ElementTree as ElementTree

import numpy as np

from cmd_jax.trajectory import figures


def path(num_records, *, losses):
    turns = np.linspace(0, 4, num_records)
    coordinates = np.stack([turns, np.sin(turns)], axis=1)
    field = (np.arange(4.0), np.arange(3.0), np.arange(12.0).reshape(3, 4))
    return figures.path(coordinates, np.array([0.75, 0.2]), field if losses else None)


def test_a_path_with_and_without_losses():
    for losses in (False, True):
        for num_records in (3, 200):
            image = path(num_records, losses=losses)
            assert ElementTree.fromstring(image).tag.endswith("svg")
            assert image == path(num_records, losses=losses)
            text = image.decode()
            assert "first direction, 75.0 % of the variance" in text
            assert ("loss in the plane" in text) == losses
            assert "last record" in text and len(image) < 200_000
