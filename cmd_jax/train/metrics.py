"""Metrics of a run as JSON lines, one row a chunk, and optional mirrors of them.

The file is the record; TensorBoard and Weights & Biases mirror it and are never read.
"""

import atexit
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from cmd_jax import files

Row = dict[str, float | int]
Sink = Callable[[Row], None]


class MetricsFile:
    """Rows of numbers, each with its `"step"`, appended to a JSON-lines file.

    Example:
      >>> import pathlib, tempfile
      >>> from cmd_jax.train import MetricsFile
      >>> metrics = MetricsFile(pathlib.Path(tempfile.mkdtemp()) / "metrics.jsonl")
      >>> for step in (10, 20):
      ...     metrics({"step": step, "train/loss": 1 / step})
      >>> metrics.truncate(10)
      >>> metrics.read()
      [{'step': 10, 'train/loss': 0.1}]
    """

    def __init__(self, path: pathlib.Path):
        self.path = path

    def __call__(self, row: Row) -> None:
        """Appends a row and flushes it to the disk."""
        files.append(self.path, (json.dumps(row) + "\n").encode())

    def read(self) -> list[Row]:
        """All whole rows; the half of one that a kill left at the end is ignored.

        Raises:
          ValueError: the file holds something else; the message names path and line.
        """
        return [row for row, _ in self._rows()]

    def truncate(self, step: int) -> None:
        """Drops the rows after `step`, and a half row at the end; -1 drops all.

        Raises:
          ValueError: there is no row of `step`, so some are lost; or as for `read`.
        """
        kept = [(row["step"], end) for row, end in self._rows() if row["step"] <= step]
        last, size = kept[-1] if kept else (-1, 0)
        if last != step:
            raise ValueError(
                f"{self.path} has no row of step {step}: rows are lost. Copy it again, "
                "or begin the run anew"
            )
        files.truncate(self.path, size)

    def _rows(self) -> list[tuple[Row, int]]:
        """Every whole row with the byte at which it ends."""
        if not self.path.exists():
            return []
        rows, end = [], 0
        for number, line in enumerate(self.path.read_bytes().splitlines(True), 1):
            if not line.endswith(b"\n"):
                break
            end += len(line)
            rows.append((_parse(line, self.path, number), end))
        return rows


def _parse(line: bytes, path: pathlib.Path, number: int) -> Row:
    try:
        row = json.loads(line)
        if isinstance(row["step"], int):
            return row
    except (ValueError, TypeError, KeyError):
        pass
    raise ValueError(f"{path}, line {number}, is not a row of metrics")


def tensorboard_sink(folder: pathlib.Path, *, resume_step: int) -> Sink:
    """Mirrors rows to TensorBoard event files.

    Args:
      folder: the log directory.
      resume_step: what an earlier run logged after this step is hidden.

    Raises:
      ImportError: tensorboardX is not installed (the extra `logging`).
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise ImportError(
            "log.tensorboard needs tensorboardX: pip install tensorboardX"
        ) from error
    writer = SummaryWriter(str(folder), purge_step=resume_step + 1, flush_secs=5)
    atexit.register(writer.close)  # its thread is a daemon and would lose the last rows

    def write(row: Row) -> None:
        for name, value in row.items():
            if name != "step":
                writer.add_scalar(name, value, row["step"])

    return write


def wandb_sink(project: str, *, run_id: str, config: Mapping[str, Any]) -> Sink:
    """Mirrors rows to a Weights & Biases project, continuing the run `run_id`.

    Raises:
      ImportError: wandb is not installed (the extra `logging`).
    """
    try:
        import wandb  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("log.wandb needs wandb: pip install wandb") from error
    run = wandb.init(
        project=project,
        id=run_id,
        resume="allow",
        config=dict(config),
        reinit="create_new",
    )

    def write(row: Row) -> None:
        values = {name: value for name, value in row.items() if name != "step"}
        run.log(values, step=int(row["step"]))

    return write
