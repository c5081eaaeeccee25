"""The benchmark's cases, one file per family; a new case joins its file's `CASES`."""

from benchmark_cases import (
    estimators,
    least_action,
    modes,
    recording,
    symmetry,
    training,
)

CASES = (
    *modes.CASES,
    *estimators.CASES,
    *recording.CASES,
    *training.CASES,
    *symmetry.CASES,
    *least_action.CASES,
)
