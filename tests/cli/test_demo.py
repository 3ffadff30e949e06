"""`demo` as a newcomer meets it: in a directory with spaces, as an ordinary user, twice, and ended with Ctrl-C."""

import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bridge.cli.demo import _any_port, _Demo, _free_port, _OneServer
from bridge.postgres.embedded import embedded
from bridge.settings import Settings
from bridge.simulator import Simulator
from bridge.web.server import bind

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
ORDINARY = "nobody"


@dataclass(frozen=True)
class Newcomer:
    """Whose demo it is: an empty directory of his own, and how he calls the program, where not as all tests do.
    `options` for the process.
    """

    home: Path
    command: list[str]
    env: dict[str, str]
    options: dict[str, Any]


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    """The user who runs the tests."""
    home = tmp_path / "a directory with spaces"
    home.mkdir()
    return Newcomer(home, [], {}, {})


@pytest.fixture
def ordinary() -> Iterator[Newcomer]:
    """An ordinary user: the one that runs the tests, or, as root, somebody without any right.

    Root's Python and packages may be out of such a user's reach; then he gets copies (links where that can be) of what
    is locked for running.
    """
    place = Path(tempfile.mkdtemp(prefix="tmf656-newcomer-"))
    try:
        place.chmod(0o755)
        home = place / "a directory with spaces"
        home.mkdir()
        if os.geteuid() != 0:
            yield Newcomer(home, [sys.executable, "-m", "bridge"], {}, {})
            return
        user = pwd.getpwnam(ORDINARY)
        os.chown(home, user.pw_uid, user.pw_gid)
        options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        if _can_run(sys.executable, ROOT, options):
            yield Newcomer(home, [sys.executable, "-m", "bridge"], {"HOME": str(home)}, options)
            return
        python = _copied_python(place, options)
        packages = _copied_packages(place / "packages")
        env = {"HOME": str(home), "PYTHONPATH": str(packages), "LD_LIBRARY_PATH": str(place / "python" / "lib")}
        yield Newcomer(home, [str(python), "-m", "bridge"], env, options)
    finally:
        shutil.rmtree(place)


def _can_run(python: str, path: Path, options: dict[str, Any]) -> bool:
    try:
        done = subprocess.run(
            [python, "-c", "import bridge.cli"],
            cwd="/",
            env={"PYTHONPATH": str(path)},
            check=False,
            capture_output=True,
            **options,
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _copied_python(place: Path, options: dict[str, Any]) -> Path:
    """The interpreter, copied with its library when that user cannot run it where it is."""
    python = Path(sys.executable).resolve()
    try:
        if subprocess.run([python, "-c", ""], cwd="/", check=False, **options).returncode == 0:
            return python
    except PermissionError:
        pass
    library = Path(sysconfig.get_path("stdlib"))
    ignored = shutil.ignore_patterns("site-packages", "test", "tests", "idlelib", "__pycache__", "*.a")
    shutil.copytree(
        library, place / "python" / "lib" / library.name, ignore=ignored, copy_function=_linked, symlinks=True
    )
    for shared in Path(sysconfig.get_config_var("LIBDIR") or library.parent).glob("libpython*.so*"):
        _linked(str(shared), str(place / "python" / "lib" / shared.name))
    (place / "python" / "bin").mkdir()
    return Path(_linked(str(python), str(place / "python" / "bin" / python.name)))


def _copied_packages(target: Path) -> Path:
    """The package and all that is locked for running it."""
    for name in ("bridge", "sql"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    locked = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    for name in locked:
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError:
            continue  # locked for another system
        for file in files:
            source, copy = Path(str(file.locate())), target / file
            if ".." not in file.parts and "__pycache__" not in file.parts and source.is_file():
                copy.parent.mkdir(parents=True, exist_ok=True)
                _linked(str(source), str(copy))
    return target


def _linked(source: str, target: str) -> str:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target)
    return target


def printed_psql(lines: list[str]) -> list[str]:
    """The command that the demo tells people to try."""
    [line] = [line for line in lines if " psql " in line]
    return shlex.split(line)


async def run_printed(newcomer: Newcomer, start: Any, lines: list[str]) -> tuple[int, str]:
    """Run the printed command, in another terminal."""
    command = printed_psql(lines)
    assert "-m" in command or command[0].endswith("tmf656-bridge")
    options = {"command": command, "cwd": newcomer.home, "env": newcomer.env, **newcomer.options}
    async with start("-XAt", **options) as psql:
        status = await psql.ended()
    return status, "\n".join(psql.out) + "\n".join(psql.err)


def demo(newcomer: Newcomer, start: Any, *arguments: str, **more: Any) -> Any:
    env = newcomer.env | {"BRIDGE_HTTP__PORT": "0"}
    return start("demo", *arguments, cwd=newcomer.home, command=newcomer.command, env=env, **newcomer.options, **more)


async def assert_a_demo(newcomer: Newcomer, start: Any, processes_naming: Any) -> None:
    """Everything a newcomer is promised, in order; the demo runs until the other terminal has what it asked for."""
    async with demo(newcomer, start, "--rate", "30", fresh=True) as program:
        await program.matched(r"[1-9]\d+ problems +.* mode push +lag \d")
        status, rows = await run_printed(newcomer, start, program.out)
        assert status == 0, rows
        assert len(rows.strip().splitlines()) == 10
        program.process.send_signal(signal.SIGTERM)
        assert await program.ended() == 0
    shown = "\n".join(program.out)
    for promised in (
        r"Postgres +started, schema migrated",
        r"simulator +TMF656 version 4 at http://127\.0\.0\.1:\d+/\S+",
        r"bridge +listening at http://127\.0\.0\.1:\d+",
        r"hub +subscription registered",
        r"select id, .* from report\.service_problem",
        r"curl http://127\.0\.0\.1:\d+/metrics",
        r"\[sources\.NAME\]",
        r"\d+ problems +\d+\.\d notifications/s +mode push +lag \d",
        r"the data stay in .*a directory with spaces",
    ):
        assert re.search(promised, shown), f"no {promised} in {shown}"
    assert all(len(line) < 80 for line in program.out if "notifications/s" in line)
    assert program.err == [""], "nothing worth a warning"
    assert processes_naming(newcomer.home) == []
    status, rows = await run_printed(newcomer, start, program.out)
    assert status == 0, rows
    assert len(rows.strip().splitlines()) == 10


async def test_h2_it_shows_what_it_promises_however_slow_the_machine(
    newcomer: Newcomer, start: Any, processes_naming: Any
) -> None:
    await assert_a_demo(newcomer, start, processes_naming)


async def test_an_ordinary_user_sees_the_same(ordinary: Newcomer, start: Any, processes_naming: Any) -> None:
    await assert_a_demo(ordinary, start, processes_naming)
    assert (ordinary.home / ".bridge-demo").stat().st_uid == ordinary.options.get("user", os.geteuid())


async def test_it_ends_by_itself_after_the_time_that_was_given(newcomer: Newcomer, start: Any) -> None:
    async with demo(newcomer, start, "--for", "1") as program:
        assert await program.ended() == 0
    assert "stopped" in "\n".join(program.out)


async def test_f2_its_data_are_not_those_of_a_configuration_here(newcomer: Newcomer, start: Any) -> None:
    async with demo(newcomer, start, "--for", "1") as program:
        assert await program.ended() == 0
    assert not (newcomer.home / ".bridge").exists()
    assert (newcomer.home / ".bridge-demo" / "bridge.toml").is_file()
    for command in (["status"], ["report", "backlog"]):
        config = ["--config", ".bridge-demo/bridge.toml"]
        async with start(*command, *config, cwd=newcomer.home, command=newcomer.command) as looking:
            assert await looking.ended() == 0, looking.err
    async with start("status", cwd=newcomer.home, command=newcomer.command) as own:
        assert await own.ended() == 1
    assert "there are no data in" in "\n".join(own.err)


async def test_ctrl_c_ends_everything_in_time_and_the_next_demo_begins_afresh(
    newcomer: Newcomer, start: Any, family_of: Any, living: Any, processes_naming: Any
) -> None:
    """The server of the demo before is gone: its problems would be held for lost, with warnings."""
    held = []
    for _ in range(2):
        async with demo(newcomer, start, "--rate", "20", start_new_session=True, fresh=True) as program:
            await program.matched(r"[2-9]\d\d problems")
            family = family_of(program.pid)
            os.killpg(program.pid, signal.SIGINT)  # as a terminal does: everybody in the foreground
            assert await program.ended() == 0
            assert living(family) == set()
        assert program.err == [""], "nothing worth a warning"
        assert processes_naming(newcomer.home) == []
        held.append(await everything_held(newcomer.home / ".bridge-demo"))
    assert min(map(len, held)) >= 200
    assert not held[0] & held[1]


async def test_what_no_demo_has_made_is_not_removed(newcomer: Newcomer, start: Any) -> None:
    own = newcomer.home / ".bridge-demo" / "bridge.toml"
    own.parent.mkdir()
    own.write_text("[sources]\n")
    async with demo(newcomer, start) as program:
        assert await program.ended() == 1
    assert "what no demo has made" in "\n".join(program.err)
    assert own.read_text() == "[sources]\n"


@pytest.mark.parametrize("left", [(), ("lock",)])
async def test_a_demo_that_was_killed_while_it_began_is_in_nobody_s_way(tmp_path: Path, left: tuple[str, ...]) -> None:
    for name in left:
        (tmp_path / name).touch()
    async with Simulator(population=1) as sim:
        await _Demo(Settings(data_dir=tmp_path), _OneServer(sim), None)._begin_afresh()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bridge.toml", "lock"]


async def everything_held(data_dir: Path) -> set[tuple[Any, ...]]:
    """When, and with what content, the bridge first received each problem in a data directory."""
    async with embedded(data_dir) as own:
        connection = await asyncpg.connect(own.dsn)
        rows = await connection.fetch("select id, first_seen_at from report.service_problem")
        await connection.close()
    return {tuple(row) for row in rows}


async def test_it_says_so_when_another_demo_runs_here(newcomer: Newcomer, start: Any) -> None:
    async with demo(newcomer, start) as first:
        await first.said("notifications/s")
        async with demo(newcomer, start) as second:
            assert await second.ended() == 1
        assert "is in use by process" in "\n".join(second.err)
        assert await first.stopped(signal.SIGTERM) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only there a name is gone with its process")
async def test_two_demos_that_begin_at_the_same_time_take_different_ports() -> None:
    with ExitStack() as briefly:
        free = _any_port(briefly, "127.0.0.1")
    with ExitStack() as one, ExitStack() as other:
        assert await _free_port(one, "127.0.0.1", free) == free
        assert await _free_port(other, "127.0.0.1", free) == 0
        one.close()
        assert await _free_port(other, "127.0.0.1", free) == free


@pytest.mark.skipif(sys.platform != "linux", reason="others do not let two sockets share an address")
def test_a_port_that_was_chosen_goes_to_nobody_else_until_the_console_listens() -> None:
    with ExitStack() as ports:
        port = _any_port(ports, "127.0.0.1")
        with socket.socket() as another, pytest.raises(OSError, match="in use"):
            another.bind(("127.0.0.1", port))
        for listening in bind("127.0.0.1", port):
            with listening:
                listening.listen()


async def test_it_refuses_a_database_of_the_configuration(newcomer: Newcomer, start: Any) -> None:
    (newcomer.home / "bridge.toml").write_text('[database]\ndsn = "postgresql://h/d"\n')
    async with demo(newcomer, start) as program:
        assert await program.ended() == 1
    assert "database.dsn" in "\n".join(program.err)
