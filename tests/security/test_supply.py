"""What we are made of, and what checkers say about it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_bill_of_materials_names_every_locked_dependency_with_its_hashes(tmp_path: Path) -> None:
    target = tmp_path / "sbom.cdx.json"
    made = subprocess.run(
        ["make", "-s", "-o", "install", "sbom", f"SBOM={target}"],
        cwd=ROOT,
        env=os.environ | {"MAKEFLAGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    document = json.loads(target.read_text())
    assert (document["bomFormat"], document["metadata"]["component"]["name"]) == ("CycloneDX", "tmf656-bridge")
    locked = dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    named = {one["name"]: one for one in document["components"]}
    assert {name: one["version"] for name, one in named.items()} == locked
    hashed = [one for one in named.values() if "hashes" in json.dumps(one)]
    assert len(hashed) == len(named)


@pytest.mark.parametrize(
    ("code", "finding"),
    [("import pickle\npickle.loads(b'')\n", "B301"), ("import subprocess\nsubprocess.run('ls', shell=True)\n", "B602")],
)
def test_the_checker_still_finds_what_it_should(tmp_path: Path, code: str, finding: str) -> None:
    """What is skipped in pyproject.toml must not have switched it off."""
    (tmp_path / "bad.py").write_text(code)
    found = subprocess.run(
        [sys.executable, "-m", "bandit", "-q", "-c", ROOT / "pyproject.toml", "-r", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, finding in found.stdout) == (1, True)
