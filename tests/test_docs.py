"""The documentation site: its navigation, its API, its links, and the tour."""

import re

import nbformat
import pytest
from nbclient import NotebookClient

import cmd_jax


def test_the_navigation_has_every_page(repository):
    navigation = (repository / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = re.findall(r": (\S+\.(?:md|ipynb))$", navigation, flags=re.MULTILINE)
    folder = repository / "docs"
    pages = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.*")
        if path.suffix in (".md", ".ipynb")
    }
    assert sorted(listed) == sorted(pages)


def test_every_public_package_has_its_reference(repository):
    folder = repository / "docs" / "api"
    named = set()
    for path in folder.glob("*.md"):
        (package,) = re.findall(r"^::: cmd_jax\.(\w+)$", path.read_text(), re.MULTILINE)
        assert package == path.stem
        named.add(package)
    assert named == set(cmd_jax.__all__)


def test_links_between_pages_lead_somewhere(repository):
    for path in (repository / "docs").rglob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+\.(?:md|ipynb))", path.read_text()):
            assert (path.parent / target).exists(), (path, target)


@pytest.fixture
def tour(repository):
    return nbformat.read(repository / "docs" / "tour.ipynb", as_version=4)


def test_the_tour_shows_what_it_computed(tour):
    cells = [cell for cell in tour.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {"stream", "execute_result"} == {output.output_type for output in outputs}
    images = [output for output in outputs if "image/svg+xml" in output.get("data", {})]
    assert len(images) == 4


@pytest.mark.slow
def test_the_tour_runs_and_says_what_its_text_says(tour, repository, monkeypatch):
    # The kernel is a process of its own: it finds the package by this.
    monkeypatch.setenv("PYTHONPATH", str(repository))
    NotebookClient(tour, timeout=600).execute()
    said = "".join(
        output.text
        for cell in tour.cells
        for output in cell.get("outputs", ())
        if output.output_type == "stream"
    )

    def number(pattern):
        return float(re.search(pattern, said).group(1))

    # Training never rests, so an average gains; modes rise above chance; the carried
    # path beats the unpermuted one.
    assert number(r"SWA +([\d.]+)") > number(r"last record +([\d.]+) ±") + 2
    assert number(r"mean R2 ([\d.]+)") > number(r"by chance ([\d.]+)") + 0.1
    assert number(r"\ngmt ([\d.]+)") > number(r"\nnaive ([\d.]+)")
