"""The documentation site: every page is in its navigation, every package has an API."""

import re

import cmd_jax


def test_the_navigation_has_every_page(repository):
    navigation = (repository / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = re.findall(r": (\S+\.md)$", navigation, flags=re.MULTILINE)
    folder = repository / "docs"
    pages = {path.relative_to(folder).as_posix() for path in folder.rglob("*.md")}
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
        for target in re.findall(r"\]\(([^)#:]+\.md)", path.read_text()):
            assert (path.parent / target).exists(), (path, target)
