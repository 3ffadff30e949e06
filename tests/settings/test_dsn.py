"""One reader of DSNs: what libpq understands is understood, or named as a fault; nobody sees a password."""

from pathlib import Path

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigurationError
from bridge.settings.dsn import Dsn, read_dsn
from bridge.storage.database import opened

NAMES = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSERVICE", "PGSERVICEFILE", "PGPASSFILE")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def faults(dsn: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        read_dsn(dsn)
    assert all(fault.startswith("database.dsn: ") for fault in raised.value.faults)
    return raised.value.faults


def test_d4_a_url_with_everything_in_it_is_understood() -> None:
    read = read_dsn(
        "postgresql://me:p%40ss@h1:5433,h2/db?channel_binding=prefer&connect_timeout=3&keepalives=1&keepalives_idle=7"
        "&target_session_attrs=read-write&sslmode=require&application_name=x&gssencmode=disable&options=-c%20jit%3Doff"
    )
    assert (read.hosts, read.ports) == (("h1", "h2"), (5433, 5432))
    assert (read.user, read.password, read.database) == ("me", "p@ss", "db")
    assert read.connect_timeout_seconds == 3
    assert read.keepalive is not None
    assert read.keepalive["keepalives_idle"] == 7
    assert read.server_settings == {"options": "-c jit=off"}
    arguments = read.driver_arguments()
    assert arguments["dsn"] == "postgresql://?sslmode=require"
    assert arguments["target_session_attrs"] == "read-write"
    assert "application_name" not in str(arguments)


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgresql://h/d?user=u&password=p", Dsn(("h",), database="d", user="u", password="p")),
        ("postgresql:///d?host=/run/pg&port=6", Dsn(("/run/pg",), (6,), "d")),
        ("postgresql://%2Frun%2Fpg/d", Dsn(("/run/pg",), database="d")),
        ("postgres://u@[::1]:6/d", Dsn(("::1",), (6,), "d", "u")),
        ("postgresql://u:a@b@h/d", Dsn(("h",), database="d", user="u", password="a@b")),
        ("host=h dbname=d user=u password='a b\\'c'", Dsn(("h",), database="d", user="u", password="a b'c")),
        ("host = h  port = 6", Dsn(("h",), (6,))),
        ("postgresql://", Dsn()),
        ("postgresql://h/d?hostaddr=10.0.0.1", Dsn(("10.0.0.1",), database="d")),
        ("postgresql://h/d?keepalives=0", Dsn(("h",), database="d", parameters={"keepalives": "0"}, keepalive=None)),
    ],
)
def test_d4_each_form_says_the_same(dsn: str, expected: Dsn) -> None:
    assert read_dsn(dsn) == expected


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("channel_binding=require", ("channel_binding=require", "sslmode=verify-full")),
        ("gssencmode=require", ("gssencmode=require", "sslmode")),
        ("target_session_attrs=standby", ("target_session_attrs=standby", "read-write")),
        ("sslmod=require", ("'sslmod'", "did you mean sslmode?")),
        ("connect_timeout=soon", ("connect_timeout=soon", "whole number")),
        ("sslrootcert=/nowhere/ca.pem", ("sslrootcert=/nowhere/ca.pem", "can be read")),
        ("service=nowhere", ("'nowhere'", "service")),
        ("keepalives=yes", ("keepalives=yes",)),
        ("load_balance_hosts=often", ("load_balance_hosts=often", "random")),
        ("client_encoding=LATIN1", ("client_encoding=LATIN1",)),
        ("replication=database", ("replication=database",)),
    ],
)
def test_d4_what_cannot_be_done_is_a_fault_that_names_it(query: str, words: tuple[str, ...]) -> None:
    (fault,) = faults(f"postgresql://u:secret-word@h/d?{query}")
    assert all(word in fault for word in words)
    assert "secret-word" not in fault


def test_d4_all_faults_are_named_at_once() -> None:
    assert len(faults("postgresql://h:1,h:2/d?port=1,2,3&nothing=1&gssencmode=require")) == 3


@pytest.mark.parametrize("dsn", ["mysql://h/d", "just a text", "postgresql://h:port/d", "postgresql://h:99999/d"])
def test_d4_what_is_no_dsn_is_a_fault(dsn: str) -> None:
    assert faults(dsn)


def test_d4_a_service_is_looked_up_and_the_dsn_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "services"
    file.write_text("# ours\n[prod]\nhost=h\nport=6\nuser=u\npassword=p%p;x\n")
    expected = Dsn(("h",), (6,), "d", "u", "p%p;x")
    assert read_dsn(f"postgresql:///d?service=prod&servicefile={file}") == expected
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    assert read_dsn("service=prod dbname=d") == expected
    assert read_dsn("postgresql://other/d?service=prod").hosts == ("other",)
    monkeypatch.setenv("PGSERVICE", "prod")
    assert read_dsn("postgresql:///d") == expected


def test_d4_psql_is_given_everything_but_the_password_in_its_arguments() -> None:
    for dsn in ("postgresql://u:pass%20word@h1,h2:6/d?sslmode=require", "postgresql://u@h/d?password=pass+word"):
        conninfo, variables = read_dsn(dsn).for_psql()
        assert variables == {"PGPASSWORD": "pass word"}
        assert "word" not in conninfo
        assert "host='h" in conninfo
    assert read_dsn("postgresql://h/d?application_name=x&statement_cache_size=0").for_psql() == (
        "host='h' port='5432' dbname='d'",
        {},
    )


def test_a_dsn_shows_no_password() -> None:
    read = read_dsn("postgresql://u:secret-word@h/d")
    assert "secret-word" not in f"{read!r} {read.address}"
    assert read.address == "Postgres at h:5432/d"


@given(st.text(max_size=60))
def test_any_text_is_a_dsn_or_a_fault(text: str) -> None:
    for dsn in (text, f"postgresql://{text}", f"postgresql://h/d?{text}", f"host=h {text}"):
        try:
            read = read_dsn(dsn)
        except ConfigurationError:
            continue
        assert read.address
        read.driver_arguments()
        read.for_psql()


@pytest.mark.anyio
async def test_d4_several_hosts_lead_to_the_one_that_answers(dsn: str) -> None:
    named = read_dsn(dsn)
    directory, name = named.hosts[0], named.database
    several = f"postgresql:///{name}?host=/nowhere,{directory}&user=postgres&connect_timeout=5&channel_binding=prefer"
    async with opened(several, min_size=1, max_size=1, wait=False) as database, database.connection() as connection:
        assert await connection.fetchval("select current_database()") == name


@pytest.mark.anyio
async def test_d4_the_password_file_is_read(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passfile = tmp_path / "passfile"
    passfile.write_text("*:*:*:*:from-the-file\n")
    passfile.chmod(0o600)
    seen = {}
    real = asyncpg.connect_utils._connect_addr

    async def spy(*, params, **rest):  # what the driver would send
        seen["password"] = params.password
        return await real(params=params, **rest)

    monkeypatch.setattr(asyncpg.connect_utils, "_connect_addr", spy)
    async with opened(f"{dsn}&passfile={passfile}", min_size=1, max_size=1, wait=False):
        pass
    assert seen == {"password": "from-the-file"}
