"""Tables: collected, merged and written from runs; refused with nothing written."""

import csv
import json

import pytest

from cmd_jax import config as configs
from cmd_jax.report import read_rows, to_csv, to_latex, to_markdown


@pytest.fixture(scope="module")
def make_tables(script):
    return script("make_tables")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def run(make_tables, folder):
    """`run(*runs)`: collects run directories in the folder."""
    return lambda *runs, options=(): make_tables.main(
        [*(str(run.root) for run in runs), "--from", str(folder), *map(str, options)]
    )


def _accuracies(folder, name="digits"):
    rows = read_rows(folder / f"{name}.csv")
    return {
        (row.variant, row.seed, row.method): row.value
        for row in rows
        if row.metric == "accuracy"
    }


def test_runs_are_collected_by_config_and_variant(make_run, run, folder):
    adam = {"optimizer__name": "adam", "optimizer__learning_rate": 0.001}
    plain = make_run("plain", {0: {"sgd": 0.5}, 1: {"sgd": 0.6}})
    other = make_run("other", {0: {"sgd": 0.7}}, **adam)
    mnist = make_run("mnist", {0: {"sgd": 0.9}}, name="mnist_mlp")
    assert run(plain, other, mnist) == 0
    assert _accuracies(folder) == {
        ("", 0, "sgd"): 0.5,
        ("", 1, "sgd"): 0.6,
        ("optimizer.learning_rate=0.001 optimizer.name=adam", 0, "sgd"): 0.7,
    }
    assert _accuracies(folder, "mnist_mlp") == {("", 0, "sgd"): 0.9}


def test_collecting_again_replaces_the_same_and_keeps_the_rest(make_run, run, folder):
    run(make_run("first", {0: {"sgd": 0.5}, 1: {"sgd": 0.6}}))
    run(make_run("second", {1: {"sgd": 0.7, "ema": 0.8}}))
    assert _accuracies(folder) == {
        ("", 0, "sgd"): 0.5,
        ("", 1, "sgd"): 0.7,
        ("", 1, "ema"): 0.8,
    }
    before = (folder / "digits.csv").read_bytes()
    run(make_run("second", {}))
    assert (folder / "digits.csv").read_bytes() == before


def test_tables_are_written_in_every_form(make_tables, make_run, run, folder):
    run(make_run("run", {s: {"sgd": 0.5, "online": 0.6 + s / 100} for s in range(5)}))
    rows = {"digits": read_rows(folder / "digits.csv")}
    table = make_tables.make_tables(rows)["mlps"]
    for ending, write in {"md": to_markdown, "csv": to_csv, "tex": to_latex}.items():
        assert (folder / "tables" / f"mlps.{ending}").read_text() == write(table)
    with (folder / "tables" / "mlps.csv").open() as file:
        first, second = csv.DictReader(file)
    assert first["method"] == "SGD"
    assert first["test accuracy (%)"] == "50.00 ± 0.00 (5)"
    assert first["Online CMD minus it (points)"] == "+12.00 [+10.04, +13.96]"
    assert second["test accuracy (%)"] == "62.00 ± 1.58 (5)"


def test_a_line_takes_its_variant_alone(make_tables, make_run, run, folder):
    run(
        make_run("short", {0: {"sgd": 0.5}}, name="lenet5", train__total_epochs=30),
        make_run("long", {0: {"sgd": 0.75}}, name="lenet5"),
    )
    tables = make_tables.make_tables({"lenet5": read_rows(folder / "lenet5.csv")})
    found = {row[1]: row[2] for row in tables["table_1"].rows if row[0] == "LeNet-5"}
    assert found["SGD"] == "75.00 (1)"
    assert found["Online CMD"] is None


def test_a_line_may_leave_the_end_of_its_variant_open(
    make_tables, make_run, run, folder
):
    """The row of pretrained weights: of the form that it names, any file's."""
    for seed, form in enumerate(("torchvision-0123abcd", "google-4567cdef")):
        accuracies = {seed: {"sgd": 0.5 + seed / 4}}
        run(make_run(form, accuracies, name="vit_b16", branch__source=form))
    tables = make_tables.make_tables({"vit_b16": read_rows(folder / "vit_b16.csv")})
    (found,) = (
        row[2]
        for row in tables["table_1"].rows
        if row[:2] == ["ViT-b-16 (pretrained)", "SGD"]
    )
    assert found == "50.00 (1)"


def test_which_run_it_starts_from_matters_where_not_all_of_a_config_do(
    make_tables, make_run, run, folder
):
    start = {"branch__run": "runs/x", "branch__source": "0123abcd", "branch__step": 7}
    for name in ("transfer_cifar10_cifar100", "transfer_digits"):
        run(make_run(name, {0: {"gmt": 0.25}}, name=name, **start))
        rows = read_rows(folder / f"{name}.csv")
        assert "branch.source=0123abcd" in rows[0].variant
        table = make_tables.make_tables({name: rows})["transfer"]
        found = {row[2] for row in table.rows if row[1] == "GMT" and row[2]}
        assert found == ({"25.00 (1)"} if name != "transfer_digits" else set())


def test_a_place_in_a_sweep_is_the_variant_of_its_override(
    script, make_run, run, folder, tmp_path, repository, monkeypatch
):
    collecting = script("collecting")
    sweep = [{"optimizer.momentum": 0.0}, {"optimizer.momentum": 0.9, "seed": 3}]
    (tmp_path / "digits.py").write_text(
        (repository / "configs" / "digits.py").read_text()
        + f"\n\ndef sweep():\n    return {json.dumps(sweep)}\n"
    )
    monkeypatch.setattr(collecting, "CONFIGS", tmp_path)
    assert collecting.sweep_variant("digits", 0) == ""
    assert collecting.sweep_variant("digits", 1) == "optimizer.momentum=0.9"
    run(make_run("run", {3: {"sgd": 0.5}}, seed=3, optimizer__momentum=0.9))
    assert {row.variant for row in read_rows(folder / "digits.csv")} == {
        collecting.sweep_variant("digits", 1)
    }
    with pytest.raises(ValueError, match="has 2 runs, not 3"):
        collecting.sweep_variant("digits", 2)


def test_the_definitions_agree_with_the_configs(make_tables, repository):
    known = configs.names(repository / "configs")
    entries = [e for table in make_tables.TABLES.values() for e in table.entries]
    found = [entry for entry in entries if entry.config in known]
    assert {entry.config for entry in found} >= {"digits", "lenet5", "resnet18"}
    for entry in found:
        path = repository / "configs" / f"{entry.config}.py"
        if entry.paper and str(entry.variant)[-1:] in ("", "*"):
            for method, number in configs.load(path).paper.items():
                assert entry.paper[method] == number, (entry, method)
        if isinstance(entry.variant, int):
            assert entry.variant < len(configs.overrides(path)), entry


def test_the_readmes_are_what_the_results_give(make_tables, repository):
    rows = make_tables.read_folder(repository / "results", must_exist=True)
    tables = make_tables.make_tables(rows)
    assert len(make_tables.READMES) == 2
    for path in make_tables.READMES:
        text = make_tables.rewrite(path, tables)
        assert path.read_text() == text, (
            "run scripts/make_tables.py --from results --readme"
        )
        assert text.count("<!-- table:") >= 1


def test_a_readme_is_rewritten_between_its_markers_alone(make_run, run, tmp_path):
    readme = tmp_path / "README.md"
    marked = "<!-- table: mlps -->\n{}<!-- /table -->\n"
    readme.write_text(
        f"above\n{marked.format('old | table')}between \\1\n{marked}below"
    )
    run(make_run("run", {0: {"sgd": 0.5}}), options=("--readme", readme))
    text = readme.read_text()
    assert "old" not in text
    assert text.startswith("above\n<!-- table: mlps -->\n**MLPs")
    assert text.endswith("<!-- /table -->\nbelow")
    assert text.count("| MLP on digits | SGD | 50.00 (1) |") == 2
    assert "<!-- /table -->\nbetween \\1\n<!-- table" in text
    run(make_run("run", {}), options=("--readme", readme))
    assert readme.read_text() == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "<!-- table: mlp -->\n<!-- /table -->",
            r"wants the table 'mlp' (did you mean",
        ),
        ("<!-- table: mlps -->\n", "lacks its other half"),
        ("<!-- /table -->\n", "lacks its other half"),
        ("<!-- table: mlps -->\n<!-- table: mlps -->\n<!-- /table -->", "lacks its"),
    ],
)
def test_a_readme_with_broken_markers_stops_everything(
    text, complaint, make_tables, make_run, refused, folder, tmp_path
):
    readme, done = tmp_path / "README.md", make_run("run", {0: {"sgd": 0.5}})
    readme.write_text(text)
    message = refused(make_tables.main, done.root, "--from", folder, "--readme", readme)
    assert f"{readme}" in message and complaint in message
    assert readme.read_text() == text
    assert not folder.exists()


def test_bad_calls_are_refused_and_nothing_is_written(
    make_tables, make_run, refused, folder, tmp_path
):
    def message(*arguments):
        return refused(make_tables.main, *arguments, "--from", folder)

    good = make_run("good", {0: {"sgd": 0.5}}).root
    copy = make_run("copy", {0: {"sgd": 0.6}}).root
    unfinished = make_run("unfinished", {}).root
    assert "give run directories" in refused(make_tables.main)
    assert f"{folder} has no CSV of results" in message()
    assert "nowhere is no run directory" in message(good, tmp_path / "nowhere")
    assert "unfinished has no finished seed" in message(good, unfinished)
    assert f"{good} and {copy} both hold seed 0 of digits" in message(good, copy)
    assert f"{good} and {good} both hold seed 0" in message(good, good)
    missing = tmp_path / "README.md"
    assert str(missing) in message(good, "--readme", missing)
    assert not folder.exists()


def test_a_damaged_run_is_named(make_tables, make_run, refused, folder):
    done = make_run("run", {0: {"sgd": 0.5}})
    path = done.root / "seed_0" / "results.json"
    path.write_text(path.read_text().replace("0.5", "0.6", 1))
    message = refused(make_tables.main, done.root, "--from", folder)
    assert f"{path} is damaged" in message
    assert not folder.exists()


def test_a_run_of_an_unknown_config_is_named(
    make_tables, make_run, refused, folder, script, tmp_path, monkeypatch
):
    done = make_run("run", {0: {"sgd": 0.5}})
    monkeypatch.setattr(script("collecting"), "CONFIGS", tmp_path)
    message = refused(make_tables.main, done.root, "--from", folder)
    assert "unknown config 'digits'" in message


def test_a_foreign_csv_stays_as_it_is(make_tables, make_run, refused, folder, run):
    run(make_run("run", {0: {"sgd": 0.5}}, name="mnist_mlp"))
    foreign = folder / "digits.csv"
    foreign.write_bytes((folder / "mnist_mlp.csv").read_bytes())
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = make_run("other", {0: {"sgd": 0.6}})
    message = refused(make_tables.main, done.root, "--from", folder)
    assert f"{foreign} is not the results" in message
    assert "rows of the config 'mnist_mlp'" in message
    assert before == {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
