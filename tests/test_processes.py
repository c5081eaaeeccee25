"""Two processes that agree, wait for each other, fail and end."""

import os
import subprocess
import sys

import jax
import pytest

from cmd_jax import processes

AGREE = """
import sys
import jax
from cmd_jax import processes

me = int(sys.argv[2])
processes.start(sys.argv[1], 2, me)
assert processes.is_primary() == (me == 0)
assert processes.agree(me == 1) and processes.agree(me == 0)
assert not processes.agree(False)
told = processes.from_primary(lambda: {"seeds": [3, 4], "by": me})
assert told == {"seeds": [3, 4], "by": 0}
for wrong in (0, 1):
    try:
        with processes.together():
            if me == wrong:
                raise FileNotFoundError("no data here")
    except (FileNotFoundError, processes.ProcessError) as error:
        assert isinstance(error, FileNotFoundError) == (me == wrong)
    else:
        raise AssertionError("nobody failed")
print("passed")
"""

END = """
import os, signal, sys
from cmd_jax import processes

me, ends, how = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
processes.start(sys.argv[1], 2, me)
processes.agree(True)
try:
    with processes.lost_processes():
        if me == ends:
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError("the disk is full")
        processes.agree(True)
except (OSError, processes.ProcessError) as error:
    print(error)
    processes.leave(7)
"""


def _start(repository, program, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=repository,
    )


def test_two_processes_agree(repository, coordinator):
    started = [_start(repository, AGREE, coordinator, str(i)) for i in range(2)]
    for process in started:
        text, _ = process.communicate(timeout=60)
        assert text.rstrip().endswith("passed"), text


@pytest.mark.parametrize("ends", [0, 1])
@pytest.mark.parametrize("how", ["raise", "kill"])
def test_nobody_waits_for_a_process_that_has_ended(repository, coordinator, ends, how):
    started = [
        _start(repository, END, coordinator, str(i), str(ends), how) for i in range(2)
    ]
    texts = [process.communicate(timeout=60)[0] for process in started]
    other = started[1 - ends]
    assert "another process of this run has ended" in texts[1 - ends]
    if how == "raise":
        assert "the disk is full" in texts[ends]
        assert [process.returncode for process in started] == [7, 7]
    elif ends == 1:
        assert other.returncode == 7
    else:  # without its coordinator JAX aborts a process
        assert other.returncode != 0


def test_one_process_asks_nobody():
    assert processes.is_primary()
    assert processes.agree(True) is True
    assert processes.from_primary(lambda: (1, "a")) == (1, "a")
    with pytest.raises(OSError, match="mine"), processes.together():
        raise OSError("mine")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only on Linux")
def test_the_cores_are_those_that_a_process_may_use():
    allowed = os.sched_getaffinity(0)
    assert processes.usable_cores() == len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert processes.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_a_process_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="process_id=2; allowed are 0 to 1"):
        processes.start("localhost:1", 2, 2)
    assert jax.process_count() == 1
