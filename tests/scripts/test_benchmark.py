"""The benchmark's frame, with cases that take no time; no clock is read as a result."""

import importlib
import json
import pathlib
import re
import sys
import types

import pytest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
        yield importlib.import_module("benchmark")


@pytest.fixture
def frame(benchmark, monkeypatch):
    """The frame on a clock that says what `seconds` holds for each function."""
    seconds = {}

    def timed(function, number):
        assert number == 1
        function()
        return seconds[function]

    monkeypatch.setattr(benchmark.timeit, "timeit", timed)
    return types.SimpleNamespace(seconds=seconds, calls=[], module=benchmark)


@pytest.fixture
def make_case(frame):
    """Builds a case whose two sides log their calls and take the seconds given."""

    def make(name="fake", case=2.0, reference=1.0, **fields):
        def side(label, duration):
            def call():
                frame.calls.append(label)

            frame.seconds[call] = duration
            return call

        work = frame.module.Work(
            side("reference", reference), side("case", case), {"GB": 8.0}, "a note"
        )
        defaults = {"direction": "at most", "bar": 3.0, "aim": 1.5}
        return frame.module.Case(
            name, f"what {name} does", **(defaults | fields), setup=lambda: work
        )

    return make


def test_sides_alternate_and_so_does_their_order(frame, make_case):
    times = frame.module.alternate(make_case().setup(), 4)
    pair = ["reference", "case"]
    assert frame.calls == [*pair, *reversed(pair), *pair, *reversed(pair)]
    assert times == {"reference": [1.0] * 4, "case": [2.0] * 4}


def test_both_sides_are_warm_before_they_are_measured(frame, make_case):
    row = frame.module.run(make_case(), 15)
    assert frame.calls.count("case") == frame.calls.count("reference") == 15 + 2
    assert len(row.measured["case"]) == len(row.measured["reference"]) == 15


def test_a_row_is_the_median_of_the_pairs_ratios_with_its_quartiles(frame, make_case):
    case = make_case()
    seconds = {
        "reference": [1.0, 2.0, 4.0, 8.0, 1.0],
        "case": [5.0, 2.0, 8.0, 24.0, 4.0],
    }
    row = frame.module.summarize(case, case.setup(), seconds)
    assert (row.lower_quartile, row.ratio, row.upper_quartile) == (2.0, 3.0, 4.0)
    assert row.holds and not row.reaches_aim


@pytest.mark.parametrize(
    ("seconds", "holds", "reaches_aim"),
    [(1.0, True, True), (1.05, True, False), (2.0, False, False)],
)
def test_at_least_compares_rates(frame, make_case, seconds, holds, reaches_aim):
    case = make_case(case=seconds, direction="at least", bar=0.9, aim=0.97)
    row = frame.module.run(case, 15)
    assert row.ratio == pytest.approx(1 / seconds)
    assert (row.holds, row.reaches_aim) == (holds, reaches_aim)


def test_the_table_names_the_machine_and_every_case(frame, make_case, capsys):
    cases = [make_case("first"), make_case("second", case=4.0)]
    assert frame.module.main([], cases) == 1
    out, err = capsys.readouterr()
    title, _, columns, _, first, second = out.strip().splitlines()
    assert "cpu" in title and "jax" in title
    assert first == (
        "| first | 2× | 2–2 | ≤ 3× | ≤ 1.5× | bar | 2 s | 1 s | 4 GB/s | a note |"
    )
    assert "| **no** |" in second
    assert first.count("|") == columns.count("|")
    assert "first: 15 pairs, about 45 s" in err


def test_exit_code_is_zero_where_every_bar_holds(make_case, benchmark):
    assert benchmark.main([], [make_case()]) == 0


def test_json_holds_the_raw_times(benchmark, make_case, tmp_path):
    path = tmp_path / "deep" / "times.json"
    benchmark.main(["--json", str(path), "--repeats", "16"], [make_case()])
    content = json.loads(path.read_text())
    (row,) = content["cases"]
    assert row["measured"] == {"reference": [1.0] * 16, "case": [2.0] * 16}
    assert (row["name"], row["ratio"], row["holds"]) == ("fake", 2.0, True)
    assert set(content["machine"]) >= {"cpu", "cores", "jax", "devices", "date"}


def test_what_is_not_a_time_is_what_the_sides_give(benchmark, frame):
    memory = iter([30.0, 10.0, 20.0])
    work = frame.module.Work(lambda: 100, lambda: next(memory), unit="MB")
    case = frame.module.Case("memory", "", "at most", 0.25, 0.1, setup=lambda: work)
    row = benchmark.run(case, 15)
    assert row.measured == {"reference": [100.0] * 3, "case": [30.0, 10.0, 20.0]}
    assert (row.ratio, row.holds, row.reaches_aim) == (0.2, True, False)
    assert "| 20 MB | 100 MB |" in benchmark.markdown({}, [row])


def test_only_the_named_cases_run(benchmark, make_case, capsys):
    cases = [make_case("first"), make_case("second"), make_case("third")]
    assert benchmark.main(["--case", "third", "first"], cases) == 0
    out = capsys.readouterr().out
    assert out.index("| third") < out.index("| first")
    assert "second" not in out


def test_list_runs_nothing(benchmark, frame, make_case, capsys):
    assert benchmark.main(["--list"], [make_case()]) == 0
    assert capsys.readouterr().out == "fake: what fake does\n"
    assert frame.calls == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--case", "fack"],
            r"no case 'fack' \(did you mean 'fake'\?\); there are fake",
        ),
        (["--repeats", "14"], "--repeats 14: at least 15"),
        (["--repeats", "many"], "invalid int value: 'many'"),
        (["--case"], "expected at least one argument"),
    ],
)
def test_a_wrong_call_is_one_message_and_exit_code_2(
    benchmark, frame, make_case, capsys, arguments, message
):
    with pytest.raises(SystemExit, match="2"):
        benchmark.main(arguments, [make_case()])
    assert re.search(message, capsys.readouterr().err)
    assert frame.calls == []


def test_a_missing_package_is_named_before_anything_runs(
    benchmark, frame, make_case, capsys
):
    cases = [make_case("first"), make_case("second", requires=("no_such_package",))]
    with pytest.raises(SystemExit, match="2"):
        benchmark.main([], cases)
    assert "'second' needs the package no_such_package" in capsys.readouterr().err
    assert frame.calls == []


def test_the_cases_of_this_project_are_consistent(benchmark):
    assert len({case.name for case in benchmark.CASES}) == len(benchmark.CASES)
    for case in benchmark.CASES:
        assert case.allows(case.aim, case.bar)
        assert not case.allows(case.bar, case.aim)
