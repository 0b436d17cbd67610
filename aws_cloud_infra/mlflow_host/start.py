"""Starts MLflow on its host: sees to databases and logins, then becomes `mlflow server`.

systemd runs it there as a user without rights, again and again until it stays. All it is told is
its environment: AWS_DEFAULT_REGION, BUCKET, DATABASE, SECRETS (how the names of secrets begin),
AUTHORITIES (a file with who signs the certificate of the database), AUTHORITIES_NAME (the parameter
in which others find that), HOST_NAME, PORT; over a proxy, DATABASE_HOST and DATABASE_PORT instead
of what AWS says. Must not show a password, nor keep one anywhere but in Secrets Manager.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import psycopg
import pymysql  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError

LOGINS = {
    "mlflow": ("mlflow", "ALL PRIVILEGES", ""),
    "sales": ("sales", "ALL PRIVILEGES", " WITH GRANT OPTION"),
    "service": ("sales", "SELECT", ""),
}
"""Each with its database and what it may do there; what the service writes, the owner grants."""
URLS = {"sales": "database-url", "service": "service-database-url"}
"""How the names of the secrets end in which these logins find where their database is."""
USERS = {"admin": True, "reader": False}
"""Who may ask MLflow, and whether he may change anything."""


class NotYet(Exception):
    """Something that is still being made."""


class Databases:
    """The server, as its master user, by TLS and only if it proves to be that host."""

    SCHEME = "mysql+pymysql"
    TLS_OF_OTHERS = "ssl_check_hostname=false"
    """TLS for who has no file: DATABASE_CA holds the server to its name."""
    PROVEN = "ssl_ca="

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        """Connect."""
        self.host, self.port = host, port
        self._connection = self._connected(
            host=host, port=port, user=user, password=password, connect_timeout=10
        )

    def _connected(self, **login: Any) -> Any:
        return pymysql.connect(
            **login, ssl={"ca": os.environ["AUTHORITIES"]}, read_timeout=60, autocommit=True
        )

    def _run(self, statement: str, *values: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)

    def ensure(self, name: str) -> None:
        """Make a database if there is none."""
        self._run(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4")

    def let_in(self, user: str, password: str) -> None:
        """Let a user in, with this password, to one database and no other."""
        login = "%s@'%%' IDENTIFIED BY %s REQUIRE SSL"
        self._run(f"CREATE USER IF NOT EXISTS {login}", user, password)
        self._run(f"ALTER USER {login}", user, password)
        database, rights, more = LOGINS[user]
        self._run(f"GRANT {rights} ON `{database}`.* TO %s@'%%'{more}", user)

    def url(self, user: str, password: str, tls: str = "") -> str:
        """Return where a user finds his database."""
        where = f"{user}:{password}@{self.host}:{self.port}/{LOGINS[user][0]}"
        return f"{self.SCHEME}://{where}?{tls or self.TLS_OF_OTHERS}"

    def close(self) -> None:
        """Log out."""
        self._connection.close()


class Postgres(Databases):
    """The same on PostgreSQL. What the service may read, the owner grants."""

    SCHEME, TLS_OF_OTHERS = "postgresql+psycopg", "sslmode=require"
    PROVEN = "sslmode=verify-full&sslrootcert="

    def _connected(self, **login: Any) -> Any:
        return psycopg.connect(
            **login, dbname="postgres", sslmode="verify-full", autocommit=True,
            sslrootcert=os.environ["AUTHORITIES"], cursor_factory=psycopg.ClientCursor,
        )  # fmt: skip

    def ensure(self, name: str) -> None:
        """Make a database if there is none, and let nobody in."""
        with suppress(psycopg.errors.DuplicateDatabase):
            self._run(f"CREATE DATABASE {name}")
        self._run(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")

    def let_in(self, user: str, password: str) -> None:
        """Let a user in, with this password, to one database and no other."""
        with suppress(psycopg.errors.DuplicateObject):
            self._run(f"CREATE ROLE {user}")
        # Hashed, as the server may log slow statements.
        secret = self._connection.pgconn.encrypt_password(password.encode(), user.encode())
        self._run(f"ALTER ROLE {user} LOGIN PASSWORD %s", secret.decode())
        if user in {"mlflow", "sales"}:
            self._run(f"GRANT {user} TO CURRENT_USER")  # or it may not give it the database
            self._run(f"ALTER DATABASE {user} OWNER TO {user}")
        self._run(f"GRANT CONNECT ON DATABASE {LOGINS[user][0]} TO {user}")


def open_databases(name: str) -> Databases:
    """Find the server and log in with the password that RDS keeps in Secrets Manager."""
    (found,) = boto3.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    if "Endpoint" not in found or "MasterUserSecret" not in found:
        raise NotYet(f"the database {name} is {found['DBInstanceStatus']}")
    secret = found["MasterUserSecret"]["SecretArn"]
    answer = boto3.client("secretsmanager").get_secret_value(SecretId=secret)
    master = json.loads(answer["SecretString"])
    host = os.environ.get("DATABASE_HOST") or found["Endpoint"]["Address"]
    port = int(os.environ.get("DATABASE_PORT") or found["Endpoint"]["Port"])
    server = Postgres if found["Engine"] == "postgres" else Databases
    return server(host, port, master["username"], master["password"])


def share_sales(databases: Databases, prefix: str) -> None:
    """Let jobs and service in, each by the URL in its secret; leave a database that is not ours."""
    for user, name in URLS.items():
        if not share(databases, user, f"{prefix}-{name}"):
            return


def share(databases: Databases, user: str, secret: str) -> bool:
    """Let a user in by the URL in a secret, made if there is none. Returns whether it is ours."""
    manager = boto3.client("secretsmanager")
    try:
        url = manager.get_secret_value(SecretId=secret)["SecretString"]
    except manager.exceptions.ResourceNotFoundException:
        url = databases.url(user, secrets.token_urlsafe(32))  # it has no value yet
        manager.put_secret_value(SecretId=secret, SecretString=url)
    password = unquote(urlsplit(url).password or "")
    if url != databases.url(user, password):
        return False
    databases.let_in(user, password)
    return True


def share_authorities(name: str) -> None:
    """Tell the tasks by whose signature the database proves itself."""
    manager, text = boto3.client("ssm"), Path(os.environ["AUTHORITIES"]).read_text("ascii")
    if manager.get_parameter(Name=name)["Parameter"]["Value"] != text.strip():
        manager.put_parameter(Name=name, Value=text.strip(), Tier="Advanced", Overwrite=True)


def own_names(databases: Databases, port: str) -> list[str]:
    """Return what callers may call this host: MLflow refuses every other Host header."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        probe.connect((databases.host, databases.port))  # sends nothing: it only picks an address
        names = {os.environ["HOST_NAME"], probe.getsockname()[0], socket.gethostname()}
    return [
        *sorted({*names, *(f"{name}:{port}" for name in names)}),
        # Session Manager forwards any port of one's own machine.
        *("localhost", "localhost:*", "127.0.0.1", "127.0.0.1:*"),
    ]


def prepare(port: str) -> tuple[str, list[str]]:
    """Return the URL of MLflow's own database, and the names of this host.

    MLflow's password is a new one at every start: the master's stops to work when RDS changes it.
    """
    with closing(open_databases(os.environ["DATABASE"])) as databases:
        for name in ("mlflow", "sales"):
            databases.ensure(name)
        share_authorities(os.environ["AUTHORITIES_NAME"])
        share_sales(databases, os.environ["SECRETS"])
        password, tls = secrets.token_urlsafe(32), databases.PROVEN + os.environ["AUTHORITIES"]
        databases.let_in("mlflow", password)
        return databases.url("mlflow", password, tls), own_names(databases, port)


def ask_for_passwords() -> None:
    """Let MLflow ask everybody for a password, and give its users those of their secrets.

    MLflow cannot keep its users in MySQL: it makes two constraints of one name. So they are on this
    disk, hashed, and those that a person made go with the machine.
    """
    manager = boto3.client("secretsmanager")
    passwords = {
        user: manager.get_secret_value(SecretId=f"{os.environ['SECRETS']}-mlflow-{user}")
        for user in USERS
    }
    users = f"sqlite:///{Path.cwd()}/users.db"
    config = Path.cwd() / "users.ini"
    config.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {users}\n"
        # To check one takes half a second here. What passed is believed for a minute.
        "auth_cache_ttl_seconds = 60\n"
    )
    os.environ |= {
        "MLFLOW_AUTH_CONFIG_PATH": str(config),
        "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
        "MLFLOW_AUTH_ADMIN_PASSWORD": passwords["admin"]["SecretString"],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(32),
    }
    from mlflow.server.auth import store  # noqa: PLC0415 - it reads the file

    store.init_db(users)  # type: ignore[no-untyped-call]
    for user, is_admin in USERS.items():
        password = passwords[user]["SecretString"]
        if store.has_user(user):
            store.update_user(user, password=password, is_admin=is_admin)
        else:
            store.create_user(user, password, is_admin=is_admin)


def main() -> None:
    """Become the server, or exit with one line."""
    port = os.environ["PORT"]
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    try:
        url, names = prepare(port)
        ask_for_passwords()
    except (BotoCoreError, ClientError, pymysql.MySQLError, psycopg.Error, OSError, NotYet) as why:
        sys.exit(f"MLflow cannot start yet: {why}")
    os.environ |= {
        "MLFLOW_BACKEND_STORE_URI": url,  # not in the arguments, which every user can see
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # nothing here needs its processes
    }
    os.execv(  # noqa: S606 - no shell is wanted
        sys.executable,
        [
            sys.executable, "-m", "mlflow", "server", "--workers", "2",
            "--host", "0.0.0.0", "--port", port,  # noqa: S104 - its security group is the door
            "--artifacts-destination", f"s3://{os.environ['BUCKET']}/artifacts",
            "--serve-artifacts", "--allowed-hosts", ",".join(names), "--app-name", "basic-auth",
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
