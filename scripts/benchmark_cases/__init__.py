"""The benchmark's cases, one file per family; a new case joins its file's `CASES`."""

from benchmark_cases import modes, recording, training

CASES = (*modes.CASES, *recording.CASES, *training.CASES)
