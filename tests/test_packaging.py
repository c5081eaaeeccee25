"""The files that describe the package agree with each other and with the sources."""

import ast
import functools
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Mapping

import pytest

OURS = {"cmd_jax", "configs", "experiments", "scripts"}
SHARED = {"orbax": ["orbax-checkpoint"]}  # a namespace of several distributions


@pytest.fixture(scope="module")
def project(repository) -> dict:
    """The table [project] of pyproject.toml."""
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


def normalised(requirement: str) -> str:
    """The name of a requirement as package indexes compare it."""
    name = re.split(r"[<>=~!\[; ]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(tree: ast.AST, lazily: bool) -> set[str]:
    """Top-level names of the modules that a file imports.

    Args:
      tree: the file.
      lazily: count imports inside functions too, not only those at the file's top.
    """
    modules = set()
    for node in ast.walk(tree) if lazily else ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module.partition(".")[0])
    return modules


def distributions(modules: set[str]) -> set[str]:
    """The distributions that provide third-party modules, by their normalised names."""
    return {
        normalised(providers().get(module, [module])[0])
        for module in modules - sys.stdlib_module_names - OURS
    }


@functools.cache
def providers() -> Mapping[str, list[str]]:
    """The installed distributions behind each top-level module; slow to find."""
    return importlib.metadata.packages_distributions() | SHARED


def test_requirements_are_the_dependencies(repository, project):
    lines = (repository / "requirements.txt").read_text().splitlines()
    assert lines == project["dependencies"]


def test_every_dependency_has_a_lower_bound_and_nothing_else(project):
    for line in project["dependencies"]:
        assert re.fullmatch(r"[a-z0-9-]+>=[0-9.]+", line), line


@pytest.mark.parametrize("lazily", [False, True])
def test_every_import_is_declared(repository, project, lazily):
    """At a file's top the dependencies, inside functions the optional ones as well."""
    declared = list(project["dependencies"])
    if lazily:
        declared += project["optional-dependencies"]["logging"]
    allowed = {normalised(line) for line in declared}
    for folder in ("cmd_jax", "experiments"):
        for file in sorted((repository / folder).rglob("*.py")):
            modules = imported(ast.parse(file.read_text()), lazily)
            undeclared = distributions(modules) - allowed
            assert not undeclared, f"{file} imports {undeclared}, not in pyproject.toml"


def test_every_dependency_is_imported(repository, project):
    modules = set()
    for folder in ("cmd_jax", "experiments"):
        for file in (repository / folder).rglob("*.py"):
            modules |= imported(ast.parse(file.read_text()), lazily=True)
    declared = {normalised(line) for line in project["dependencies"]}
    unused = declared - distributions(modules) - {"pillow"}  # TFDS decodes images by it
    assert not unused


def test_the_version_is_one(repository, project):
    import cmd_jax

    citation = (repository / "CITATION.cff").read_text()
    changelog = (repository / "CHANGELOG.md").read_text()
    version = project["version"]
    assert cmd_jax.__version__ == version
    assert re.findall(r"^version: (.+)$", citation, re.M) == [version]
    assert f"## {version}" in changelog
