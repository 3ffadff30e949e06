"""How many files may be open. In processes of their own, because a limit that was raised is not lowered again here."""

import subprocess
import sys

SCRIPT = """
import resource, sys
from bridge.web.connections import raise_file_limit
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
raise_file_limit(wanted)
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def limits_after(soft: int, hard: int, connections: int) -> str:
    command = [sys.executable, "-c", SCRIPT, str(soft), str(hard), str(connections)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_limit_of_open_files_is_raised_to_what_the_connections_need() -> None:
    assert "(756, 800)" in limits_after(300, 800, 500)


def test_a_limit_that_is_high_enough_stays() -> None:
    assert "(790, 800)" in limits_after(790, 800, 500)


def test_a_hard_limit_that_is_too_low_is_told_with_the_remedy() -> None:
    out = limits_after(300, 400, 500)
    assert "(400, 400)" in out
    assert "fewer files may be open" in out
    assert "756" in out
