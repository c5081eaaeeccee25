"""Who may import whom: the layers of the code, held true by reading its sources.

ground <- config, data, models <- trajectory, train <- methods; report needs the ground
only; experiments and scripts stand on top. Nobody imports a neighbour or upwards.
Among the experiments: process <- configured <- training <- one folder a study.
"""

import ast
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import pytest

GROUND = {
    *("types", "rng", "trees", "files", "host"),
    *("checkpoints", "sharding", "processes", "runs", "figures", "spelling"),
}
MIDDLE = {"config", "data", "models"}
TRAINING = {"trajectory", "train"}
METHODS = {"modes", "baselines", "transfer", "least_action", "phase_transition"}

MAY_IMPORT = (
    dict.fromkeys(GROUND, GROUND)
    | {layer: GROUND | {layer} for layer in MIDDLE}
    | {layer: GROUND | MIDDLE | {layer} for layer in TRAINING}
    | {layer: GROUND | MIDDLE | TRAINING | {layer} for layer in METHODS}
    | {"report": GROUND | {"report"}}
)

STUDIES = {
    *("batch_size", "correlation_modes", "least_action"),
    *("phase_transition", "transfer"),
}
BELOW_STUDIES = {"process", "configured", "training"}
MAY_WIRE = {
    "process": {"process"},
    "configured": {"process", "configured"},
    "training": BELOW_STUDIES,
    "study_page.py": set(),
    "run.py": BELOW_STUDIES | STUDIES,
} | {study: BELOW_STUDIES | {"study_page", study} for study in STUDIES}

ONLY_IN = {
    "flax": "cmd_jax/models/*.py",
    "orbax": "cmd_jax/checkpoints/*.py",
    "matplotlib": "figures.py",
}
NEVER = {
    "absl": "it belongs to experiments",
    "tensorflow": "it belongs to the scripts that prepare data",
    "kmedoids": "it is GPL: a reference for tests and benchmarks",
    "pickle": "it runs code when it is read",
    "cloudpickle": "it runs code when it is read",
    "experiments": "it stands on top of the library",
    "scripts": "they stand on top of the library",
    "configs": "they stand on top of the library",
}


class Import(NamedTuple):
    """An imported module: its dotted name, the line, whether inside a function."""

    module: str
    line: int
    in_function: bool


def imports(
    path: pathlib.PurePath, tree: ast.AST, inside: bool = False
) -> Iterator[Import]:
    """All imports of a file, relative ones made absolute."""
    for node in ast.iter_child_nodes(tree):
        for module in _modules(path, node):
            yield Import(module, node.lineno, inside)  # type: ignore[attr-defined]
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from imports(path, node, inside or function)


def _modules(path: pathlib.PurePath, node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            package = list(path.parts[: len(path.parts) - level]) if level else []
            prefix = ".".join(package + ([module] if module else []))
            yield from (f"{prefix}.{alias.name}" for alias in names)
        case ast.Call(
            func=ast.Name("import_module" | "__import__")
            | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(module)), *_],
        ):
            yield module


def violations(path: pathlib.PurePath, source: str) -> list[str]:
    """What a file of the library imports against the rules, as `file:line: what`."""
    found = []
    for module, line, in_function in imports(path, ast.parse(source)):
        if complaint := _complaint(path, module, in_function):
            found.append(f"{path}:{line}: {complaint}")
    return list(dict.fromkeys(found))


def _complaint(path: pathlib.PurePath, module: str, in_function: bool) -> str | None:
    top, _, rest = module.partition(".")
    if module.startswith("__future__.annotations"):
        return "annotations must stay objects: jaxtyping checks them at run time"
    if top == "cmd_jax":
        return _layer_complaint(path, rest)
    if top in NEVER:
        return f"the library may not import {top}: {NEVER[top]}"
    if top in ONLY_IN and not path.match(ONLY_IN[top]):
        return f"{top} may be imported only in {ONLY_IN[top]}"
    if top == "matplotlib" and not in_function:
        return "matplotlib may be imported only inside a function"
    return None


def _layer_complaint(path: pathlib.PurePath, target: str) -> str | None:
    layer, target = path.parts[1].removesuffix(".py"), target.split(".")[0]
    if layer == "__init__":  # the package's own door opens to all of them
        return None
    if layer not in MAY_IMPORT:
        return f"{layer} has no layer yet: give it one in tests/test_imports.py"
    if target not in MAY_IMPORT[layer]:
        allowed = ", ".join(sorted(MAY_IMPORT[layer]))
        return (
            f"{layer} may not import {target or 'cmd_jax as a whole'}, only {allowed}"
        )
    return None


def miswired(path: pathlib.PurePath, source: str) -> list[str]:
    """What a file of the experiments imports of them against the rules."""
    place = path.parts[1]
    return [
        f"{path}:{line}: {place} may not import {module}"
        for module, line, _ in imports(path, ast.parse(source))
        if module.startswith("experiments.")
        and module.split(".")[1] not in MAY_WIRE[place]
    ]


@pytest.mark.parametrize(
    ("folder", "complaints"), [("cmd_jax", violations), ("experiments", miswired)]
)
def test_the_code_keeps_its_layers(folder, complaints, repository):
    paths = sorted((repository / folder).rglob("*.py"))
    files = {path.relative_to(repository): path.read_text() for path in paths}
    assert len(files) > 5
    found = [line for file in files for line in complaints(file, files[file])]
    assert not found, "\n" + "\n".join(found)


def test_no_file_hides_a_function_of_its_package(repository):
    """`cmd_jax.modes.decompose` must be the function, never a module of that name."""
    for init in (repository / "cmd_jax").glob("*/__init__.py"):
        exported = {
            alias.asname or alias.name
            for node in ast.walk(ast.parse(init.read_text()))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        hidden = exported & {file.stem for file in init.parent.glob("*.py")}
        assert not hidden, f"{init}: {hidden} are names of files and of exports"


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("rng.py", "import cmd_jax.modes", "rng may not import modes"),
        ("rng.py", "import cmd_jax", "rng may not import cmd_jax as a whole"),
        ("data/a.py", "from cmd_jax import models", "data may not import models"),
        ("data/a.py", "from ..models import mlp", "data may not import models"),
        ("train/a.py", "from .. import trajectory", "train may not import trajectory"),
        ("trajectory/a.py", "import cmd_jax.train.loop", "may not import train"),
        ("modes/a.py", "def f():\n  import cmd_jax.transfer", "modes may not"),
        ("modes/a.py", "importlib.import_module('cmd_jax.transfer')", "modes may not"),
        ("report/a.py", "import cmd_jax.config", "report may not import config"),
        ("plans/a.py", "import cmd_jax.rng", "plans has no layer yet"),
        ("modes/a.py", "from flax import linen", "only in cmd_jax/models/*.py"),
        ("runs.py", "import orbax", "only in cmd_jax/checkpoints/*.py"),
        ("modes/a.py", "def f():\n  import matplotlib", "only in figures.py"),
        ("modes/figures.py", "import matplotlib.pyplot", "only inside a function"),
        ("config.py", "from absl import flags", "it belongs to experiments"),
        ("data/a.py", "import tensorflow as tf", "it belongs to the scripts"),
        ("files.py", "import pickle", "it runs code"),
        ("runs.py", "from experiments import run", "stands on top"),
        ("rng.py", "from __future__ import annotations", "must stay objects"),
    ],
)
def test_a_forbidden_import_is_named(file, source, complaint):
    path = pathlib.PurePath("cmd_jax", file)
    (message,) = violations(path, "import jax\n" + source)
    line = 2 + source.count("\n")
    assert message.startswith(f"cmd_jax/{file}:{line}: ")
    assert complaint in message


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("process/a.py", "from experiments.configured import setup"),
        ("configured/a.py", "from ..training import group"),
        ("training/a.py", "from experiments.transfer.study import run"),
        ("transfer/a.py", "import experiments.least_action.page"),
        ("study_page.py", "from experiments.process import progress"),
        ("transfer/a.py", "from experiments import run"),
    ],
)
def test_an_experiment_above_or_beside_is_named(file, source):
    path = pathlib.PurePath("experiments", file)
    (message,) = miswired(path, source)
    assert message.startswith(f"{path}:1: {path.parts[1]} may not import experiments.")


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("rng.py", "from cmd_jax.types import Key"),
        ("modes/a.py", "from cmd_jax import rng, trees\nfrom cmd_jax.modes import b"),
        ("modes/a.py", "from . import b\nfrom ..trajectory import Trajectory"),
        ("train/a.py", "from cmd_jax.models.network import Network"),
        ("models/a.py", "from flax import linen as nn"),
        ("data/a.py", "import tensorflow_datasets as tfds"),
        ("checkpoints/saved.py", "def f():\n  import orbax.checkpoint as ocp"),
        ("report/figures.py", "def f():\n  import matplotlib.pyplot as plt"),
        ("__init__.py", "from cmd_jax import modes, train"),
    ],
)
def test_an_allowed_import_passes(file, source):
    assert violations(pathlib.PurePath("cmd_jax", file), source) == []
