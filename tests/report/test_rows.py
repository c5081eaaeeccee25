"""Rows of results: what a run says is collected, and what is not ours is refused."""

import math

import pytest

from cmd_jax.report import Row, collect, merge_rows, read_rows, write_rows

ROW = Row(
    *("digits", "optimizer.momentum=0.9", 0, "sgd", "accuracy", 1 / 3),
    *("none", 60, 'python run.py "a, b"', "0123", "jax 0.10.2, numpy 2", "A, 2 cores"),
    *(12.5, 3),
)


def _variant(name, values):
    return f"{name} at {values['optimizer']['learning_rate']}"


def test_rows_come_back_in_full(tmp_path):
    rows = [ROW, ROW._replace(seed=1, variant="", wall_seconds=None, commit="")]
    write_rows(tmp_path / "digits.csv", rows)
    assert read_rows(tmp_path / "digits.csv") == rows
    assert read_rows(tmp_path / "absent.csv") == []


def test_a_run_gives_a_row_for_each_seed_method_and_metric(make_run):
    run = make_run("run", {3: {"sgd": 0.9, "online": 0.95}, 4: {"sgd": 0.8}})
    run.write_wall_time((3, 4), 61.5)
    rows = collect(run, variant=_variant)
    values = {row.key[2:]: row.value for row in rows}
    assert values[3, "online", "accuracy"] == 0.95
    assert values[4, "sgd", "accuracy"] == 0.8
    assert values[3, "cmd", "r_squared"] == 0.75
    assert values[3, "null", "correlation"] == 0.5
    assert len(rows) == len(values) == 3 + 2 * 4
    assert {row.variant for row in rows} == {"digits at 0.05"}
    row = rows[0]
    assert (row.wall_seconds, row.seeds_together, row.epochs) == (61.5, 2, 60)
    assert row.versions == "python 3.11.7, cmd_jax 0.1.0, jax 0.10.2"
    assert row.hardware == "A processor, 2 cores"


def test_an_accelerator_is_named_before_its_host(make_run):
    run = make_run("run", {0: {"sgd": 0.9}})
    run.write_environment({**run.environment(), "devices": ["H100", "H100"]}, [0])
    row = collect(run, variant=_variant)[0]
    assert row.hardware == "2 x H100 (A processor, 2 cores)"
    assert row.wall_seconds is row.seeds_together is None


def test_seeds_that_were_added_later_leave_the_rows_of_the_others(make_run):
    run = make_run("run", {0: {"sgd": 0.9}, 1: {"sgd": 0.8}, 2: {"sgd": 0.7}})
    first = {**run.environment(), "commit": "a" * 40}
    run.write_environment(first, [0, 1])
    run.write_environment({**first, "commit": "b" * 40}, [2])
    commits = {row.seed: row.commit[0] for row in collect(run, variant=_variant)}
    assert commits == {0: "a", 1: "a", 2: "b"}


def test_a_part_of_the_weights_has_no_accuracy_but_a_fit(make_run):
    rows = collect(make_run("run", {0: {}}), variant=_variant)
    assert {row.metric for row in rows} == {"r_squared", "correlation"}


def test_what_is_no_finished_run_is_named(make_run, tmp_path):
    with pytest.raises(ValueError, match=r"nowhere is no run directory: there is no"):
        collect(
            make_run("run", {})._replace(root=tmp_path / "nowhere"), variant=_variant
        )
    with pytest.raises(ValueError, match=r"run has no finished seed: give its command"):
        collect(make_run("run", {}), variant=_variant)


def test_results_of_another_version_are_named(make_run):
    run = make_run("run", {})
    run.seed(0).finish({"accuracy": {"sgd": 0.5}}, {})
    with pytest.raises(ValueError, match=r"results\.json lacks '\w+'"):
        collect(run, variant=_variant)


def test_a_new_row_takes_the_place_of_its_key_alone():
    other, later = ROW._replace(seed=1), ROW._replace(value=0.5, commit="4567")
    assert merge_rows([other, ROW], [later]) == [later, other]
    with pytest.raises(ValueError, match=r"two rows have the same key .*'digits'"):
        merge_rows([], [ROW, later])


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([ROW, ROW], "two rows have the same key"),
        ([ROW._replace(config="lenet5")], "it has rows of the config 'lenet5'"),
        ([ROW._replace(value=math.nan)], "row 1: the value is nan"),
        ([ROW, ROW._replace(seed="one")], "row 2: invalid literal"),
        ([ROW._replace(wall_seconds="x")], "row 1: could not convert"),
    ],
)
def test_rows_that_cannot_be_are_refused_by_the_path(rows, complaint, tmp_path):
    path = tmp_path / "digits.csv"
    heading, *lines = (Row._fields, *rows)
    path.write_text(
        "\n".join(
            ",".join(f'"{str(cell).replace(chr(34), 2 * chr(34))}"' for cell in line)
            for line in (heading, *lines)
        )
    )
    with pytest.raises(ValueError, match=r"digits\.csv is not the results") as caught:
        read_rows(path)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not enough values"),
        (b"seed,value\n0,1\n", "its columns are not config, variant"),
        (b"\xff\xfe\x00", "can't decode"),
        (",".join(Row._fields).encode() + b"\ndigits,,0\n", "row 1 has 3 of 14 cells"),
        (",".join(Row._fields).encode() + b'\n"digits', "unexpected end of data"),
    ],
)
def test_a_foreign_file_is_refused_by_its_path(content, complaint, tmp_path):
    path = tmp_path / "digits.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"digits\.csv is not the results") as caught:
        read_rows(path)
    assert complaint in str(caught.value)
    assert path.read_bytes() == content
