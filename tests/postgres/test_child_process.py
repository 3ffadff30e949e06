"""A child that ends with the process that started it."""

import os
import select
import signal
import subprocess
import sys

import pytest

from bridge.postgres.child_process import command

PARENT = """
import signal, subprocess, sys
from bridge.postgres.child_process import command
child = subprocess.Popen(command(sys.executable, "-c", "import time; time.sleep(600)", death_signal=signal.SIGKILL))
print(child.pid, flush=True)
child.wait()
"""


def test_the_program_takes_the_place_of_the_starter_with_its_arguments() -> None:
    show = "import os, sys; print(os.getpid(), sys.argv[1])"
    arguments = command(sys.executable, "-c", show, "x y", death_signal=signal.SIGTERM)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as child:
        said, _ = child.communicate(timeout=30)
    assert said == f"{child.pid} x y\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a signal on the parent's death")
def test_it_gets_the_signal_when_the_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:
        _wait_until_ended(child)
    finally:
        os.close(child)


def test_one_whose_parent_is_gone_already_does_not_start() -> None:
    arguments = command(sys.executable, "-c", "print('started')", death_signal=signal.SIGTERM)
    arguments[4] = "1"  # the process that asked for it, as if it had been another
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is gone" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_it_becomes_the_user_that_is_named_without_any_other_group() -> None:
    show = "import os; print(os.getuid(), os.getgid(), os.getgroups())"
    arguments = command(sys.executable, "-I", "-S", "-c", show, death_signal=signal.SIGTERM, identity=(65534, 65534))
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=30, cwd="/")
    if done.returncode and "Permission denied" in done.stderr:
        pytest.skip("the interpreter is out of that user's reach")
    assert done.stdout == "65534 65534 []\n", done.stderr


def _wait_until_ended(pidfd: int) -> None:
    """Wait for a process that is no child of ours."""
    readable, _, _ = select.select([pidfd], [], [], 30)
    assert readable, "still running"
