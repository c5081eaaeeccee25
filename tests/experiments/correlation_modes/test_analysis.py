"""The page's sections on M, landscape, path and claims: there, and self-contained."""

import base64
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest

from cmd_jax import config as configs
from cmd_jax import runs
from experiments import run
from experiments.configured.setup import prepare
from experiments.correlation_modes import analysis


class _Page(HTMLParser):
    """Titles, alternative texts, images and every address of a page."""

    def __init__(self, text):
        super().__init__()
        self.titles, self.alts, self.images, self.addresses = [], [], [], []
        self._in_title = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self._in_title = tag == "h2"
        self.addresses += [found[name] for name in ("src", "href") if name in found]
        if tag == "img":
            self.alts.append(found["alt"])
            self.images.append(found["src"])

    def handle_data(self, data):
        if self._in_title:
            self.titles.append(data)
            self._in_title = False


@pytest.fixture(scope="module")
def page(finished):
    return _Page((finished / "report.html").read_text())


def test_every_section_is_there(page):
    expected = ["How many modes", "Landscape", "Path", "Claims of the papers"]
    assert [title for title in page.titles if title in expected] == expected


def test_every_figure_is_a_whole_image(page):
    wanted = ("Mean R² of all weights against", "Loss over the two", "The records in")
    for start in wanted:
        assert sum(alt.startswith(start) for alt in page.alts) == 1
    for image in page.images:
        kind, content = image.split(";base64,")
        assert kind == "data:image/svg+xml"
        assert ElementTree.fromstring(base64.b64decode(content)).tag.endswith("svg")


def test_nothing_comes_from_elsewhere(page):
    assert page.addresses
    assert all(re.match(r"#|data:", address) for address in page.addresses)


def test_the_arrays_agree_with_each_other(finished):
    directory = runs.RunDirectory(finished).seed(0)
    arrays, results = directory.arrays(), directory.results()
    assert arrays["choice_candidates"].tolist() == [1, 2, 3, 5]
    at = arrays["choice_candidates"].tolist().index(results["num_modes"])
    assert arrays["choice_r_squared"][at] == results["r_squared"]
    assert arrays["landscape_losses"].shape == (17, 17, 4)
    middle = arrays["landscape_losses"][8, 8]
    np.testing.assert_allclose(middle, arrays["landscape_final"], rtol=1e-5)
    assert arrays["path_losses"].shape == (17, 17)
    travelled, apart = arrays["path_length"]
    assert travelled >= apart > 0
    assert len(arrays["path_coordinates"]) == results["num_records"]


def test_a_part_of_the_weights_has_no_landscape_but_a_path(run_main, tmp_path):
    arguments = ("--config=digits:smoke", "--config.train.num_seeds=1")
    options = ("--config.record.pattern=*kernel", "--config.modes.num_samples=2")
    assert run_main(tmp_path, *arguments, *options, "--config.modes.num_modes=1") == 0
    (path,) = tmp_path.glob("digits-*/report.html")
    text = path.read_text()
    assert "Not drawn for this run" in text
    alts = _Page(text).alts
    assert any(alt.startswith("The records in") for alt in alts)
    assert not any(alt.startswith("Loss over") for alt in alts)


@pytest.mark.parametrize(
    ("arguments", "side"),
    [
        (["--config=digits"], 17),
        (["--config=digits", "--config.model.hidden=(1000,)"], 17),
        (["--config=digits", "--config.model.hidden=(2000,)"], 11),
        (["--config=digits", "--config.model.hidden=(20000,)"], 0),
        (["--config=digits", "--config.record.num_weights=100"], 0),
    ],
)
def test_the_grid_is_sized_by_the_network(arguments, side):
    _, ((_, config),) = run.parse(["run.py", *arguments])
    study = {"modes": configs.to_dict(config)["modes"]}
    assert analysis.grid_side(prepare(config, None, study)) == side
