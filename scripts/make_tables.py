"""Collects finished runs in `results/<config>.csv`, and makes the tables from those.

    python scripts/make_tables.py runs/lenet5-1a2b3c4d          # collect, then tables
    python scripts/make_tables.py --from results --readme       # also in the READMEs

The tables are written to `tables/` beside the CSVs as Markdown, CSV and LaTeX; which
there are, and what stands in them, is in `paper_tables.py`. Rows of a seed that was
collected before are replaced, all others kept.
"""

import argparse
import pathlib
import re
import sys
from collections.abc import Mapping, Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from collecting import REFUSED, read_runs, sweep_variant, without_start
from paper_tables import TABLES
from table_entries import Definition, Entry

from cmd_jax import files
from cmd_jax.report import (
    Line,
    Row,
    Table,
    compare,
    merge_rows,
    read_rows,
    to_csv,
    to_latex,
    to_markdown,
    write_rows,
)
from cmd_jax.spelling import did_you_mean

ROOT = pathlib.Path(__file__).resolve().parent.parent
READMES = (ROOT / "README.md", ROOT / "results" / "README.md")
WRITERS = {"md": to_markdown, "csv": to_csv, "tex": to_latex}
_MARKED = re.compile(r"(<!-- table: ([^\n]*?) -->\n)(.*?)(<!-- /table -->)", re.DOTALL)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = make_parser()
    flags = parser.parse_args(argv)
    if not flags.runs and flags.folder is None:
        parser.error("no runs: give run directories, or --from FOLDER of their CSVs")
    folder = flags.folder or ROOT / "results"
    try:
        rows = read_folder(folder, must_exist=not flags.runs)
        new = collect_by_config(flags.runs)
        rows |= {name: merge_rows(rows.get(name, []), new[name]) for name in new}
        tables = make_tables(rows)
        texts = {path: rewrite(path, tables) for path in _readmes(flags.readme)}
        for name in new:
            write_rows(folder / f"{name}.csv", rows[name])
            print(folder / f"{name}.csv")
        write_tables(folder / "tables", tables)
        for path, text in texts.items():
            files.write_atomic(path, text)
            print(path)
    except REFUSED as error:
        parser.exit(2, f"error: {error}\n")
    except OSError as error:
        parser.exit(1, f"error: {error}\n")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0],
        epilog="Exit code: 0 done; 1 a write failed; 2 refused, with nothing written.",
    )
    add, path = parser.add_argument, pathlib.Path
    add("runs", nargs="*", metavar="RUN", type=path, help="run directories to collect")
    add(
        "--from",
        dest="folder",
        metavar="FOLDER",
        type=path,
        help="of the CSVs (default: results/ of the repository)",
    )
    add(
        "--readme",
        nargs="*",
        metavar="FILE",
        type=path,
        help="also rewrite the tables between the markers of the FILEs (default: "
        "README.md and results/README.md)",
    )
    return parser


def _readmes(given: list[pathlib.Path] | None) -> Sequence[pathlib.Path]:
    return () if given is None else given or READMES


def read_folder(folder: pathlib.Path, *, must_exist: bool) -> dict[str, list[Row]]:
    """The rows of every CSV of a folder, by config.

    Raises:
      ValueError: a file is not ours, or there is none where one must be.
    """
    paths = sorted(folder.glob("*.csv"))
    if must_exist and not paths:
        raise ValueError(f"{folder} has no CSV of results: give it run directories")
    return {path.stem: read_rows(path) for path in paths}


def collect_by_config(paths: Sequence[pathlib.Path]) -> dict[str, list[Row]]:
    """The rows of run directories, by config."""
    rows: dict[str, list[Row]] = {}
    for run in read_runs(paths):
        rows.setdefault(run.rows[0].config, []).extend(run.rows)
    return rows


def make_tables(rows: Mapping[str, Sequence[Row]]) -> dict[str, Table]:
    """Every table of `paper_tables.py`, filled with what was measured."""
    return {name: make_table(definition, rows) for name, definition in TABLES.items()}


def make_table(definition: Definition, rows: Mapping[str, Sequence[Row]]) -> Table:
    """A table from the rows of the configs."""
    lines = [
        Line(entry.label, _rows_of(entry, rows.get(entry.config, [])), entry.paper)
        for entry in definition.entries
    ]
    return compare(definition.caption, definition.kind, lines)


def _rows_of(entry: Entry, rows: Sequence[Row]) -> list[Row]:
    if not rows:  # perhaps there is no such config yet
        return []
    variant, config = entry.variant, entry.config
    if isinstance(variant, int):
        variant = sweep_variant(config, variant)
    found = {text: without_start(config, text) for text in {r.variant for r in rows}}
    if variant.endswith("*"):
        return [row for row in rows if found[row.variant].startswith(variant[:-1])]
    return [row for row in rows if found[row.variant] == variant]


def write_tables(folder: pathlib.Path, tables: Mapping[str, Table]) -> None:
    """Writes each table as Markdown, CSV and LaTeX."""
    for name, table in tables.items():
        for ending, write in WRITERS.items():
            files.write_atomic(folder / f"{name}.{ending}", write(table))
    print(f"{folder}: {', '.join(tables)} as {', '.join(WRITERS)}")


def rewrite(path: pathlib.Path, tables: Mapping[str, Table]) -> str:
    """A file's text with the tables between its markers made anew.

    `<!-- table: NAME -->` opens and `<!-- /table -->` closes the place of a table.

    Raises:
      ValueError: an unknown table, or a marker without its other half.
    """

    def replace(match: re.Match[str]) -> str:
        opening, name, _, closing = match.groups()
        if name not in tables:
            raise ValueError(
                f"{path} wants the table {name!r}{did_you_mean(name, tables)}; there "
                f"are {', '.join(tables)}"
            )
        return f"{opening}{to_markdown(tables[name])}{closing}"

    text = path.read_text()
    halves = [text.count("<!-- table:"), text.count("<!-- /table -->")]
    if [len(_MARKED.findall(text))] * 2 != halves:
        raise ValueError(
            f"{path}: a marker <!-- table: NAME --> or <!-- /table --> lacks its other "
            "half"
        )
    return _MARKED.sub(replace, text)


if __name__ == "__main__":
    sys.exit(main())
