"""Where the socket lies: in the cluster, or in a private directory that a link names when the path is too long."""

import os
from pathlib import Path

import pytest

from bridge.errors import PermanentError
from bridge.postgres.cluster import Cluster
from bridge.postgres.socket_directory import forget_socket_dir, socket_dir, socket_setting


@pytest.fixture(params=["long" * 40, "a,b", os.fsdecode(b"latin-\xe9")])
def awkward(request: pytest.FixtureRequest, tmp_path: Path) -> Cluster:
    """A cluster in whose directory nobody could name a socket."""
    path = tmp_path / request.param / "postgres"
    path.mkdir(parents=True)
    return Cluster(path, tmp_path, None)


def test_a_short_path_has_the_socket_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cluster = Cluster(Path("data"), tmp_path, None)
    assert socket_dir(cluster) == cluster.path
    assert socket_setting(cluster, cluster.path) == "."


def test_another_directory_is_private_found_again_and_removed(awkward: Cluster) -> None:
    made = socket_dir(awkward)
    assert made.stat().st_mode & 0o777 == 0o700
    assert socket_dir(awkward) == made
    assert socket_setting(awkward, made) == f'"{made}"'
    forget_socket_dir(awkward.path)
    assert not made.exists()
    assert not awkward.path.with_name("postgres.socket").is_symlink()


def test_a_directory_that_others_may_enter_is_not_used_again(awkward: Cluster) -> None:
    made = socket_dir(awkward)
    made.chmod(0o755)
    fresh = socket_dir(awkward)
    assert fresh != made
    made.rmdir()
    forget_socket_dir(awkward.path)


def test_without_a_fit_place_the_remedy_is_said(
    awkward: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfit = tmp_path / ("other" * 30)
    unfit.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(unfit))
    with pytest.raises(PermanentError, match=r"shorter data_dir or TMPDIR, or set database\.dsn"):
        socket_dir(awkward)
    assert not list(unfit.iterdir())
