"""The benchmark's cases, one file per family; a new case joins its file's `CASES`."""

from benchmark_cases import (
    embedding,
    estimators,
    least_action,
    modes,
    phase_transition,
    recording,
    subspace,
    symmetry,
    training,
    transfer,
)

CASES = (
    *modes.CASES,
    *estimators.CASES,
    *embedding.CASES,
    *subspace.CASES,
    *recording.CASES,
    *training.CASES,
    *phase_transition.CASES,
    *symmetry.CASES,
    *transfer.CASES,
    *least_action.CASES,
)
