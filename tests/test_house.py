"""The house in order: locked dependencies, make targets, the wheel, nothing in the files that only this machine has."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests import house

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-compile.lock", "requirements-test.lock")
PEER_LOCKS = ("tests/bench/peers/dlt.lock",)
PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)(?P<marker> ; [^\\]+)? \\$")
HASH = re.compile(r"^ {4}--hash=sha256:[0-9a-f]{64}( \\)?$")
REGISTRIES = [
    ".".join(parts)
    for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("debian", "org"))
]

EVERYWHERE = {
    Path(path)
    for path in ("/", "/tmp", "/var/tmp", "/opt", "/srv", "/usr/src", "/home", "/root")  # noqa: S108 -- nothing is made
}
"""Directories that every machine has: naming them says nothing of this one."""


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(lock: str) -> dict[str, Version]:
    """Package → version, as the lock file has them."""
    found = (PINNED.match(line) for line in (ROOT / lock).read_text().splitlines())
    return {canonicalize_name(one["name"]): Version(one["version"]) for one in found if one}


def own_files() -> list[Path]:
    """The files that are committed or would be; without git, all but what is known to be made here."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        return [path for name in os.fsdecode(listed.stdout).split("\0") if name and (path := ROOT / name).is_file()]
    made = re.compile(r"(^|/)(\.[a-z_]*(venv|cache|bridge|git|hypothesis)|node_modules|__pycache__|build|dist)(/|$)")
    files = (path for path in ROOT.rglob("*") if not made.search(path.relative_to(ROOT).as_posix()))
    return [path for path in files if path.is_file()]


@pytest.mark.parametrize("lock", LOCKS + PEER_LOCKS)
def test_a_lock_file_holds_pinned_packages_with_hashes_and_nothing_else(lock: str) -> None:
    lines = (ROOT / lock).read_text().splitlines()
    strange = [line for line in lines if not (PINNED.match(line) or HASH.match(line) or line.strip().startswith("#"))]
    assert strange == []
    unhashed = [line for line, below in pairwise(lines) if PINNED.match(line) and not HASH.match(below)]
    assert unhashed == []
    assert pins(lock)


def test_every_dependency_is_locked_within_its_bounds(project: dict[str, Any]) -> None:
    runtime, build, compiling, test = (pins(lock) for lock in LOCKS)
    groups = project["dependency-groups"]
    for wanted, locked in (
        (project["project"]["dependencies"], runtime),
        (project["build-system"]["requires"] + groups["build"], build),
        (groups["build"] + groups["compile"], compiling),
        (project["project"]["dependencies"] + groups["build"] + groups["compile"] + groups["test"], test),
    ):
        for requirement in map(Requirement, wanted):
            version = locked.get(canonicalize_name(requirement.name))
            assert version is not None, f"{requirement} is not locked; run make lock"
            assert requirement.specifier.contains(version), f"{requirement} is locked as {version}; run make lock"


def test_the_tests_run_with_what_is_shipped() -> None:
    runtime, build, compiling, test = (pins(lock) for lock in LOCKS)
    assert {**test, **compiling, **build, **runtime} == test


@pytest.mark.parametrize("place", ["tests/peers", "tests/bench/peers"])
def test_the_lock_of_the_peers_has_hashes_and_no_addresses(place: str) -> None:
    packages = json.loads((ROOT / place / "package-lock.json").read_text())["packages"]
    assert [name for name, one in packages.items() if "resolved" in one] == []
    assert [name for name, one in packages.items() if name and "integrity" not in one] == []


def test_every_make_target_that_is_promised_exists() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    targets = set(re.findall(r"^  make ([a-z-]+)", shown, re.MULTILINE))
    assert {
        *("demo", "run", "install", "test", "test-long", "bench", "bench-long"),
        *("check", "format", "lock", "dashboards", "screenshots", "audit", "sbom", "clean", "help"),
    } == targets


def test_the_scripts_are_executable_and_well_formed() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_wheel_carries_the_package_its_sql_and_the_licence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert built.returncode == 0, built.stderr
    [wheel] = tmp_path.glob("tmf656_bridge-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    ours = {path.relative_to(ROOT).as_posix() for path in own_files()}
    assert {name for name in ours if name.startswith("bridge/")} <= inside
    assert {f"bridge/{name}" for name in ours if name.startswith("sql/")} <= inside
    assert any(name.endswith("/licenses/LICENSE") for name in inside)
    assert not [name for name in inside if name.startswith(("tests/", "sql/"))]


@pytest.mark.early
def test_a_wheel_built_with_the_switch_is_compiled_and_leaves_the_checkout_alone(tmp_path: Path) -> None:
    """Without optimisation, which takes most of the time and changes nothing of what is shown here."""
    checkout = tmp_path / "checkout"
    for path in own_files():
        name = path.relative_to(ROOT)
        if name.parts[0] in {"bridge", "sql", "deploy", "grafana"} or name.name in {
            "pyproject.toml",
            "README.md",
            "LICENSE",
        }:
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, checkout / name)
    project = checkout / "pyproject.toml"
    optimised = 'opt_level = "2"'
    assert optimised in project.read_text()
    project.write_text(project.read_text().replace(optimised, 'opt_level = "0"'))
    before = set(checkout.rglob("*"))
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), "."],
        cwd=checkout,
        env=os.environ | {"HATCH_BUILD_HOOKS_ENABLE": "1", "PYTHONDONTWRITEBYTECODE": "1"},  # that is of Python
        check=False,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert set(checkout.rglob("*")) == before
    [wheel] = tmp_path.glob("tmf656_bridge-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    for arguments, said in ((["--version"], "(compiled)"), (["files", str(tmp_path / "files")], "sql/reports/")):
        shown = subprocess.run(
            [sys.executable, "-c", "import bridge.app, bridge.__main__; bridge.__main__.main()", *arguments],
            cwd=tmp_path / "installed",
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert said in shown.stdout, shown.stdout + shown.stderr
    for name in (
        "deploy/prometheus/tmf656-bridge.rules.yml",
        "grafana/dashboards/feed-health.json",
        "deploy/bridge.toml",
    ):
        assert (tmp_path / "files" / name).read_bytes() == (ROOT / name).read_bytes()


def test_no_file_names_a_registry_or_a_path_of_this_machine() -> None:
    here = {ROOT, ROOT.parent, Path.home()} - EVERYWHERE
    forbidden = [*REGISTRIES, *(f"{path}/" for path in here)]
    leaks = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in own_files()
        for word in forbidden
        if word.encode() in path.read_bytes()
    ]
    assert leaks == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 9_000


def test_every_link_of_the_pages_leads_somewhere() -> None:
    broken = []
    for page in [path for path in own_files() if path.suffix == ".md"]:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            place, _, anchor = target.partition("#")
            if target.startswith(("http://", "https://")):
                continue
            there = (page.parent / place).resolve() if place else page
            if not there.exists() or (anchor and anchor not in _anchors(there)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_path_that_the_guarantees_name_is_there() -> None:
    named = re.findall(r"`((?:tests|bridge)/[\w/.]+)`", (ROOT / "docs/guarantees.md").read_text())
    kept = re.findall(r"`((?:[a-z0-9_]+/)+[a-z_]+\.py)`", (ROOT / "docs/guarantees.md").read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert [name for name in kept if not name.startswith("tests/") and not (ROOT / "bridge" / name).exists()] == []


def test_docstrings_are_short() -> None:
    assert list(house.long_docstrings()) == []


def test_code_and_sql_are_written_in_plain_words() -> None:
    assert list(house.banned_words()) == []


def test_a_type_is_defined_in_one_module() -> None:
    assert list(house.types_defined_twice()) == []


def test_no_task_is_started_outside_a_group_and_no_module_is_imported_by_name() -> None:
    assert list(house.forbidden_calls()) == []


def test_nine_of_ten_modules_with_logic_have_their_own_file_of_tests() -> None:
    missing, all_of_them = house.modules_without_tests(), house.modules_with_logic()
    assert len(missing) * 10 <= len(all_of_them), f"without tests: {', '.join(map(str, missing))}"


def test_the_table_of_field_cases_is_up_to_date() -> None:
    page = house.GUARANTEES.read_text()
    assert house.with_cases(page) == page, "run python -m tests.house --cases"


def _anchors(page: Path) -> set[str]:
    """The anchors of headings, as hosts of Git repositories make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
