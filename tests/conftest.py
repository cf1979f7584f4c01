"""Shared by all tests: nothing beyond loopback is reached, and both databases are there."""

import ipaddress
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.store import Cipher, Store
from bot.store.cipher import new_key
from bot.store.migrate import upgrade

hypothesis.settings.register_profile("psyllm", deadline=None)  # a busy machine is no fault of the program
hypothesis.settings.load_profile("psyllm")

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


class OutsideError(AssertionError):
    """A test tried to reach beyond this machine."""


def _check(address: Any) -> None:
    if isinstance(address, tuple) and not _is_loopback(str(address[0])):
        raise OutsideError(f"a test tried to connect to {address[0]}; tests stay on the loopback address")


def _is_loopback(host: str) -> bool:
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False


def _guarded_connect(self: socket.socket, address: Any) -> None:
    _check(address)
    _connect(self, address)


def _guarded_connect_ex(self: socket.socket, address: Any) -> int:
    _check(address)
    return _connect_ex(self, address)


@pytest.fixture(autouse=True, scope="session")
def _stay_on_this_machine() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", _guarded_connect)
    patch.setattr(socket.socket, "connect_ex", _guarded_connect_ex)
    for name in [name for name in os.environ if name.startswith("PSYLLM_") and not name.startswith("PSYLLM_TEST_")]:
        patch.delenv(name)
    patch.setenv("HF_HUB_OFFLINE", "1")
    yield
    patch.undo()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server: PSYLLM_TEST_POSTGRES, else one started here from the installed programs."""
    if url := os.environ.get("PSYLLM_TEST_POSTGRES"):
        yield url
        return
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]))
    initdb = str(programs[-1]) if programs else shutil.which("initdb")
    if not initdb:
        pytest.fail("PostgreSQL is not installed: run .ci/prepare, or set PSYLLM_TEST_POSTGRES to a server's URL")
    with tempfile.TemporaryDirectory(prefix="psyllm-pg-") as folder:
        yield from _serve_postgres(Path(initdb).parent, Path(folder))


def _serve_postgres(programs: Path, folder: Path) -> Iterator[str]:
    """Run a server of its own on a free port. PostgreSQL refuses to run as root, so root lends it to `postgres`."""
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = str(folder / "data")
    run: dict[str, Any] = {"check": True, "capture_output": True, "cwd": "/"}
    subprocess.run(
        [*as_user, str(programs / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"], **run
    )
    # A test never pulls the machine's plug, so the disk need not be waited for.
    hasty = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c max_connections=200 {hasty}"
    control = [*as_user, str(programs / "pg_ctl"), "-D", data, "-w"]
    subprocess.run(
        [*control, "-l", str(folder / "log"), "-o", options, "start"], check=True, cwd="/", stdout=subprocess.DEVNULL
    )
    try:
        yield f"postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **run)


@pytest.fixture
async def postgres_database(postgres: str) -> AsyncIterator[str]:
    """The URL of an empty database on PostgreSQL."""
    name = f"t{uuid.uuid4().hex}"
    engine = create_async_engine(postgres, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgres.rsplit("/", 1)[0] + f"/{name}"
    async with engine.connect() as connection:
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each test that takes it runs on both databases."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgres_database")
    return url


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """An open store with its tables, on both databases, encrypting."""
    async with Store(database_url, Cipher.from_keys(new_key())) as opened:
        await upgrade(opened)
        yield opened
