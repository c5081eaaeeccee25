"""Prepares one data set with TensorFlow Datasets; run by `scripts/prepare_data`.

The format is ArrayRecord, the one that can be read at random and without TensorFlow.
TensorFlow Datasets shows the progress, keeps finished downloads, checks their checksums
and puts the prepared files in their place when all of them are complete.
"""

import sys
from typing import Any

import requests
import tensorflow_datasets as tfds


def main(name: str, data_dir: str) -> int:
    """Prepares the data set `name` in `data_dir`; returns the exit code."""
    builder: Any = tfds.builder(name, data_dir=data_dir, file_format="array_record")
    try:
        _check_network(builder)
        builder.download_and_prepare()
    except (OSError, tfds.download.DownloadError) as error:
        _say(
            f"preparing {name!r} failed: {error}. Run the same command again to "
            "continue (finished downloads are kept), or copy the prepared folder "
            f"{builder.data_path} from another machine"
        )
        return 1
    _say(f"{name!r} is prepared in {builder.data_path}")
    return 0


def _check_network(builder: Any) -> None:
    # TensorFlow Datasets would try for minutes, and leave stray folders.
    url = next(iter(builder.url_infos))
    try:
        requests.head(url, timeout=20, allow_redirects=True)
    except requests.RequestException as error:
        raise OSError(f"{url} cannot be reached; is there a network?") from error


def _say(message: str) -> None:
    print(f"scripts/prepare_data: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
