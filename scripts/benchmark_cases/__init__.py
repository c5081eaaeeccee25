"""The benchmark's cases, one file per family; a new case joins its file's `CASES`."""

from benchmark_cases import (
    estimators,
    modes,
    recording,
    symmetry,
    training,
    transfer,
)

CASES = (
    *modes.CASES,
    *estimators.CASES,
    *recording.CASES,
    *training.CASES,
    *symmetry.CASES,
    *transfer.CASES,
)
