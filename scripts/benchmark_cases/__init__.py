"""The benchmark's cases, one file per family; a new case joins its file's `CASES`."""

from benchmark_cases import (
    estimators,
    modes,
    phase_transition,
    recording,
    symmetry,
    training,
)

CASES = (
    *modes.CASES,
    *estimators.CASES,
    *recording.CASES,
    *training.CASES,
    *phase_transition.CASES,
    *symmetry.CASES,
)
