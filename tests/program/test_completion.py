"""The shell completes commands, options and the names of sources: with each shell's own script, in that shell."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.program.conftest import environment

Complete = Callable[[str], list[str]]
NAME = "tmf656-bridge"
ENTRY = f"#!{sys.executable}\nimport sys\nfrom bridge.cli import main\nsys.exit(main())\n"

BASH = """
source ./script
read -ra COMP_WORDS <<< "$1"
[[ "$1" == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
registered=$(complete -p tmf656-bridge)
[[ $registered =~ -F\\ ([^ ]+) ]]
${BASH_REMATCH[1]} tmf656-bridge
printf '%s\\n' "${COMPREPLY[@]}"
"""
# The script is run as zsh's completion system would; only what it hands over is printed in place of being offered.
ZSH = """
compdef() { completing=$1 }
_files() { : }
_arguments() { print -rl -- "$@" }
source ./script
words=(${(s: :)1}); [[ $1 == *" " ]] && words+=("")
CURRENT=$#words
$completing
"""
FISH = "source ./script; complete --do-complete $argv[1]"


def words_of(shell: str, output: str) -> list[str]:
    """The words offered. zsh has them quoted in a pattern, and zsh and fish with their help behind them."""
    if shell == "zsh":
        return re.findall(r'(?:^|[\s(])"([^":]+)"', output)
    return [line.split("\t")[0] for line in output.splitlines() if line]


@pytest.fixture(params=["bash", "zsh", "fish"])
def complete(request: pytest.FixtureRequest, tmp_path: Path) -> Complete:
    """What a shell offers for a line that is being typed."""
    shell = request.param
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} (Debian: {shell}) is not here")
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    (bin_dir / NAME).write_text(ENTRY)
    (bin_dir / NAME).chmod(0o755)
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    env = environment(**home)
    env["PATH"] = f"{bin_dir}:{env['PATH']}"
    asked = {"_TMF656_BRIDGE_COMPLETE": f"source_{shell}"}
    written = subprocess.run([bin_dir / NAME], env=env | asked, capture_output=True, text=True, check=True, timeout=60)
    (tmp_path / "script").write_text(written.stdout)
    (tmp_path / "bridge.toml").write_text(
        '[sources.snow]\nurl = "https://snow.example/v4"\n[sources.oss]\nurl = "https://oss.example/v4"\n'
    )
    (tmp_path / "other.toml").write_text('[sources.field]\nurl = "https://field.example/v4"\n')
    way = {"bash": ["-c", BASH, "bash"], "zsh": ["-f", "-c", ZSH, "zsh"], "fish": ["--private", "-c", FISH]}[shell]

    def completing(line: str) -> list[str]:
        done = subprocess.run(
            [program, *way, line], cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.stderr == "", done.stderr
        return words_of(shell, done.stdout)

    return completing


def test_a_command_an_option_and_a_source_are_completed(complete: Complete) -> None:
    assert complete("tmf656-bridge st") == ["status"]
    assert complete("tmf656-bridge status --js") == ["--json"]
    assert complete("tmf656-bridge sync sn") == ["snow"]


@pytest.mark.parametrize("complete", ["bash"], indirect=True)
def test_sources_are_those_of_the_configuration_that_is_named(complete: Complete, tmp_path: Path) -> None:
    assert complete("tmf656-bridge sync --config other.toml ") == ["field"]
    (tmp_path / "other.toml").write_text("[sources.field]\n")
    assert complete("tmf656-bridge sync --config other.toml ") == [], "of a wrong one there is nothing to offer"


def test_the_shell_in_use_is_found_by_itself(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(ENTRY)
    (tmp_path / NAME).chmod(0o755)
    command = f"./{NAME} --show-completion; true"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True, timeout=60
    )
    assert "complete -o default -F" in done.stdout
