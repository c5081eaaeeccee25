"""The seal of a checkpoint: the checksums of its files.

Orbax does not check the numbers that it reads: without a seal a flipped bit gives other
ones. A checkpoint counts once its seal is written.
"""

import pathlib

from cmd_jax import files

_SEAL = "checksums.json"


class DamagedError(ValueError):
    """The files of a checkpoint are not those that were saved; the message has both."""


def write(checkpoint: pathlib.Path) -> None:
    """Seals a checkpoint that is written."""
    found = sorted(path for path in checkpoint.rglob("*") if path.is_file())
    checksums = {str(path.relative_to(checkpoint)): files.crc32(path) for path in found}
    files.write_sealed_json(checkpoint / _SEAL, checksums)


def exists(checkpoint: pathlib.Path) -> bool:
    """Whether a checkpoint is sealed."""
    return (checkpoint / _SEAL).exists()


def find_damage(checkpoint: pathlib.Path) -> str:
    """What of a sealed checkpoint is missing or not as it was saved; else ""."""
    try:
        for name, checksum in files.read_sealed_json(checkpoint / _SEAL).items():
            if files.crc32(checkpoint / name) != checksum:
                raise ValueError(f"{name} does not match its checksum")
    except (FileNotFoundError, ValueError) as error:
        return f"checkpoint {checkpoint} is damaged: {error}"
    return ""
