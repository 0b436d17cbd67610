"""The MLflow host as it runs: what its unit says, a real database, the emulator's bucket."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pymysql
import pytest

from aws_cloud_infra.mlflow_host import start
from tests.aws.account import Account
from tests.aws.machine import AUTHORITIES, BUCKET, DATABASE, REAL, SECRETS, Machine
from tests.mlflow_server import START_SECONDS, free_port, until

MASTER = ("admin", "P@55w0rd!")
"""The one login that the emulator's databases have."""
URLS = {user: f"{SECRETS}-{name}" for user, name in start.URLS.items()}
"""Where whoever asks the database finds it."""
PASSWORDS = {"admin": "of jobs and people", "reader": "of the service"}
"""What the stacks would have made up."""


@dataclass
class TlsDatabase:
    """A server that all but the machine's own may only reach with TLS."""

    port: int
    certificate: Path
    """By which it proves itself; nobody else signed it."""
    host: str = "127.0.0.1"
    engine: str = "mysql"
    log: Path | None = None

    def connect(self, user: str, password: str, **options: Any) -> Any:
        return pymysql.connect(
            host=self.host, port=self.port, user=user, password=password,
            **{"ssl": {"ca": str(self.certificate)}, **options},
        )  # fmt: skip


@contextmanager
def tls_database() -> Iterator[TlsDatabase]:
    """Run a throwaway MariaDB."""
    for program in ("mariadbd", "mariadb-install-db", "openssl"):
        if not shutil.which(program):
            pytest.skip(f"install MariaDB: {program} is not found")
    # Its user must be able to read the folder, which pytest's own do not allow.
    folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    user = []
    if os.geteuid() == 0:
        shutil.chown(data, "mysql")
        user = ["--user=mysql"]
    key, certificate = signed(folder)
    key.chmod(0o644)
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", *user, f"--datadir={data}", "--skip-test-db",
         "--auth-root-authentication-method=normal"],
        check=True, capture_output=True,
    )  # fmt: skip
    database, socket = TlsDatabase(free_port(), certificate), data / "socket"
    server = subprocess.Popen(
        ["mariadbd", "--no-defaults", *user, f"--datadir={data}", f"--socket={socket}",
         "--bind-address=127.0.0.1", f"--port={database.port}", "--require-secure-transport=ON",
         f"--ssl-cert={certificate}", f"--ssl-key={key}", "--innodb-flush-log-at-trx-commit=0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(socket.exists, lambda: "the database does not start", START_SECONDS)
        with closing(pymysql.connect(user="root", unix_socket=str(socket))) as root:
            _let_the_master_in(root)
        yield database
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder)


def signed(folder: Path) -> tuple[Path, Path]:
    """Return the key and the certificate of a server of this machine, in a folder."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=database", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, certificate


def _let_the_master_in(root: Any) -> None:
    with root.cursor() as cursor:
        cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", MASTER)
        cursor.execute("GRANT ALL ON *.* TO %s@'%%' WITH GRANT OPTION", MASTER[:1])


@dataclass
class Host:
    """MLflow as systemd would run it, on the emulator's account and a real database."""

    machine: Machine
    account: Account
    database: TlsDatabase
    port: int
    server: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        file = Path(self.machine.of_unit("EnvironmentFile"))
        return {
            **self.account.environment(),
            **dict(line.split("=", 1) for line in file.read_text().splitlines()),
            "HOME": str(self.machine.root),
            # The endpoint that the emulator gives a database is no real one.
            "DATABASE_HOST": self.database.host,
            "DATABASE_PORT": str(self.database.port),
        }

    @property
    def log(self) -> Path:
        return Path(self.machine.of_unit("StandardOutput").removeprefix("append:"))

    def start(self) -> None:
        """Run what the unit says and wait until it answers; the first start makes 65 tables."""
        with self.log.open("ab") as log:
            self.server = subprocess.Popen(
                self.machine.of_unit("ExecStart").split(),
                env=self.environment, cwd=self.machine.root, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        until(self.answers, self.log.read_text, START_SECONDS)

    def answers(self) -> bool:
        assert self.server is not None
        assert self.server.poll() is None, self.log.read_text()
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/health").text == "OK"
        return False

    def kill(self) -> None:
        if self.server is not None:
            os.killpg(self.server.pid, signal.SIGKILL)
            self.server.wait()
            self.server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def shared_url(self, user: str = "sales") -> str:
        secrets = self.account.session().client("secretsmanager")
        return secrets.get_secret_value(SecretId=URLS[user])["SecretString"]

    @property
    def shared_authorities(self) -> str:
        ssm = self.account.session().client("ssm")
        return ssm.get_parameter(Name=AUTHORITIES)["Parameter"]["Value"]


@contextmanager
def running_host(account: Account, database: TlsDatabase, folder: Path) -> Iterator[Host]:
    """Set a machine up in a folder, in an empty account, and run what its unit says."""
    running = host_of(account, database, Machine(folder, REAL))
    running.start()
    try:
        yield running
    finally:
        running.kill()


def host_of(account: Account, database: TlsDatabase, machine: Machine) -> Host:
    """Set a machine up, in an empty account."""
    account.reset()
    session = account.session()
    where = {"LocationConstraint": "eu-central-1"}
    session.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    manager = session.client("secretsmanager")
    for name in URLS.values():
        manager.create_secret(Name=name)
    session.client("ssm").put_parameter(Name=AUTHORITIES, Value="-", Type="String")
    for user, password in PASSWORDS.items():
        manager.create_secret(Name=f"{SECRETS}-mlflow-{user}", SecretString=password)
    session.client("rds").create_db_instance(
        DBInstanceIdentifier=DATABASE, DBInstanceClass="db.t4g.micro", Engine=database.engine,
        MasterUsername=MASTER[0], ManageMasterUserPassword=True, AllocatedStorage=20,
    )  # fmt: skip
    running = Host(machine, account, database, free_port())
    shutil.copy(database.certificate, running.machine.state / "authorities")
    _, done = running.machine.set_up(port=running.port)
    assert 0 == done.returncode, done.stderr
    return running
