"""The page over several runs: whole, self-contained, and refused in a sentence."""

import html.parser
import re

import numpy as np
import pytest


class Page(html.parser.HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.stack = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="module")
def make_report(script):
    return script("make_report")


@pytest.fixture
def page(make_report, make_run, tmp_path):
    """The page over two runs of a sweep and one that recorded a part of the weights."""
    methods = {"sgd": 0.5, "swa": 0.55, "online": 0.625}
    runs = [
        make_run("plain", dict.fromkeys(range(5), methods), paper={"SGD": "51 ± 1"}),
        make_run("momentum", {0: methods}, optimizer__momentum=0.9),
        make_run("part", {0: {}}, record__num_weights=9),
    ]
    path = tmp_path / "page" / "report.html"
    assert make_report.main([*(str(r.root) for r in runs), "--output", str(path)]) == 0
    return path.read_text()


def test_every_run_has_its_figure_and_its_numbers(page):
    parsed = Page(page)
    alternatives = [image["alt"] for image in parsed.all("img")]
    assert len(alternatives) == 2
    assert alternatives[0] == "Test accuracy of digits; seeds 0, 1, 2, 3, 4."
    assert "digits optimizer.momentum=0.9" in alternatives[1]
    assert "digits record.num_weights=9" in parsed.text
    for cell in ("50.00 ± 0.00 (5)", "62.50 (1)", "51 ± 1", "+12.50", "Online CMD"):
        assert cell in parsed.text, cell
    assert "[+12.50, +12.50]" in parsed.text
    headings = ["Summary", "Paired differences", "Accuracy by epoch", "Runs"]
    assert re.findall("<h2>(.*?)</h2>", page) == headings


def test_the_page_asks_for_nothing_from_outside_and_fits_a_phone(page):
    parsed = Page(page)
    text = re.sub(r"base64,[^\"]*", "", page)
    assert not re.search(r"https?:|//|@import|url\(", text)
    assert not parsed.all("script") and not parsed.all("link")
    addresses = [a.get("src") or a.get("href") for _, a in parsed.tags]
    assert all(a.startswith(("data:", "#")) for a in addresses if a)
    assert any(meta.get("name") == "viewport" for meta in parsed.all("meta"))
    assert len(page) < 300_000


def test_fields_that_all_runs_share_are_said_once(make_report, make_run, tmp_path):
    path = tmp_path / "report.html"
    runs = [
        make_run(
            f"{rate}", {0: {"sgd": 0.5}}, data__flip=True, optimizer__momentum=rate
        )
        for rate in (0.5, 0.9)
    ]
    make_report.main([*(str(run.root) for run in runs), "--output", str(path)])
    text = Page(path.read_text()).text
    assert "All with data.flip=true." in text
    assert "digits optimizer.momentum=0.5" in text
    assert not any("digits data.flip" in part for part in text)


def test_without_online_cmd_the_page_says_so(make_report, make_run, tmp_path):
    run, path = make_run("run", {0: {"sgd": 0.5}}), tmp_path / "report.html"
    make_report.main([str(run.root), "--output", str(path)])
    assert "No run has Online CMD beside another method." in path.read_text()


def test_a_run_without_curves_has_its_numbers(make_report, make_run, tmp_path):
    """Of a transfer's pair the source has nothing to show."""
    run, path = make_run("pair", {0: {"fgmt": 0.5}, 1: {}}), tmp_path / "report.html"
    assert make_report.main([str(run.root), "--output", str(path)]) == 0
    parsed = Page(path.read_text())
    assert "50.00 (1)" in parsed.text and "FGMT" in parsed.text
    assert not parsed.all("img")


def test_bad_calls_are_refused_and_the_old_page_stays(
    make_report, make_run, refused, tmp_path
):
    path = tmp_path / "report.html"
    path.write_text("old")
    unfinished = make_run("run", {}).root
    call = (make_report.main, "--output", path)
    assert "required: RUN" in refused(*call)
    assert "no finished seed" in refused(*call, unfinished)
    assert "no run directory" in refused(*call, tmp_path)
    assert path.read_text() == "old"


def test_runs_that_embed_weights_have_a_figure_of_it(make_report, make_run, tmp_path):
    directories = []
    for treatment in ("snap", "tied"):
        directory = make_run(
            treatment,
            {0: {"embedded": 0.75}},
            name="digits_embedded",
            embedding__treatment=treatment,
        )
        seed = directory.seed(0)
        arrays = {"epochs": np.arange(2), "trained_share": np.array([1.0, 0.5])}
        seed.finish(seed.results(), {**seed.arrays(), **arrays})
        directories.append(str(directory.root))
    path = tmp_path / "report.html"
    assert make_report.main([*directories, "--output", str(path)]) == 0
    parsed = Page(path.read_text())
    alternatives = [image["alt"] for image in parsed.all("img")]
    assert "Test accuracy against the weights embedded so far" in alternatives[-1]
    assert "75.00 (1)" in parsed.text
    assert "Embedded CMD" in parsed.text
