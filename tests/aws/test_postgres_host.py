"""What the host of MLflow prepares on a PostgreSQL over TLS whose master is no superuser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import certifi
import psycopg
import pytest

import database_loader
from aws_cloud_infra.mlflow_host import start
from sales_forecast.database_trust import verified
from tests.aws.account import Account
from tests.aws.host import MASTER, URLS, Host, TlsDatabase, host_of, signed
from tests.aws.machine import DATABASE, Machine
from tests.builders import sales_file, sample_panel
from tests.mlflow_server import free_port

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@contextmanager
def tls_postgres() -> Iterator[TlsDatabase]:
    """Run a throwaway PostgreSQL that takes nobody without TLS."""
    if not PROGRAMS:
        pytest.skip("install PostgreSQL: there is nothing in /usr/lib/postgresql")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    key, certificate = signed(folder)
    key.chmod(0o600)
    (folder / "hba.conf").write_text("local all all trust\nhostssl all all all scram-sha-256\n")
    who = {"user": "postgres"} if os.geteuid() == 0 else {}  # it does not run as root
    for path in (folder, *folder.iterdir()):
        if who:
            shutil.chown(path, "postgres")

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [PROGRAMS[-1] / program, "-D", folder / "data", *arguments],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **who,
        )  # fmt: skip

    run("initdb", "--no-sync", "--username=root", "--auth=trust")
    port = free_port()
    settings = {
        "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder,
        "ssl": "on", "ssl_cert_file": certificate, "ssl_key_file": key,
        "hba_file": folder / "hba.conf", "fsync": "off", "log_statement": "all",
    }  # fmt: skip
    told = " ".join(f"-c {name}={value}" for name, value in settings.items())
    run("pg_ctl", "--wait", "-l", str(folder / "log"), "-o", told, "start")
    try:
        with psycopg.connect(
            host=str(folder), port=port, user="root", dbname="postgres", autocommit=True,
            cursor_factory=psycopg.ClientCursor,
        ) as root:  # fmt: skip
            root.execute(f"CREATE ROLE {MASTER[0]} LOGIN CREATEDB CREATEROLE")
            root.execute(f"ALTER ROLE {MASTER[0]} PASSWORD %s", MASTER[1:])
        yield TlsDatabase(port, certificate, engine="postgres", log=folder / "log")
    finally:
        run("pg_ctl", "--mode=immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def prepared(server: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host whose databases and logins are made, twice: it does so at each start."""
    with tls_postgres() as database, pytest.MonkeyPatch.context() as patch:
        host = host_of(server, database, Machine(tmp_path_factory.mktemp("host")))
        for name, value in host.environment.items():
            patch.setenv(name, value)
        for _ in range(2):
            own, _ = start.prepare("5000")
        psycopg.connect(plain(own)).close()
        yield host


def plain(url: str) -> str:
    """Return a URL as the driver takes it."""
    return url.replace("+psycopg", "")


def test_logins_own_or_read_their_database_and_get_into_no_other(prepared: Host) -> None:
    for user in URLS:
        url = prepared.shared_url(user)
        where = rf"127\.0\.0\.1:{prepared.database.port}/sales"
        assert re.fullmatch(
            rf"postgresql\+psycopg://{user}:[\w-]{{43}}@{where}\?sslmode=require", url
        )
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(plain(url).replace("/sales?", "/mlflow?"))
        with pytest.raises(psycopg.OperationalError, match="no encryption"):
            psycopg.connect(plain(url).replace("require", "disable"))


def test_no_password_is_in_the_log_of_the_server(prepared: Host) -> None:
    assert prepared.database.log
    said = prepared.database.log.read_text()
    assert "ALTER ROLE sales LOGIN PASSWORD 'SCRAM-SHA-256$" in said
    for user in URLS:
        password = re.findall(r":([\w-]{43})@", prepared.shared_url(user))[0]
        assert password not in said


def test_the_loader_gives_the_service_its_rights_and_no_more(
    prepared: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales = sales_file(tmp_path, sample_panel(2, 8))
    for name, value in {
        "DATABASE_URL": prepared.shared_url(), "VAR_DIR": str(tmp_path),
        "DATABASE_CA": prepared.shared_authorities, "DATABASE_SERVICE_USER": "service",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert 0 == database_loader.main(["--csv", str(sales)])
    url = plain(verified(prepared.shared_url("service"), prepared.shared_authorities, tmp_path))
    with psycopg.connect(url, autocommit=True) as service:
        assert (16,) == service.execute("SELECT count(target) FROM fact_sales").fetchone()
        for statement in ("DELETE FROM fact_sales", "CREATE TABLE mine (a int)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                service.execute(statement)


def test_a_server_that_cannot_prove_itself_is_told_no_password(
    prepared: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHORITIES", certifi.where())
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        start.open_databases(DATABASE)


def test_a_login_that_is_gone_is_made_again_as_its_secret_says(prepared: Host) -> None:
    with closing(start.open_databases(DATABASE)) as databases:
        databases._run("ALTER ROLE sales PASSWORD 'another'")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(plain(prepared.shared_url()))
        start.share_sales(databases, DATABASE)
    psycopg.connect(plain(prepared.shared_url())).close()
