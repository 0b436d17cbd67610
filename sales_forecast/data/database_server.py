"""The way to a database: SQLite, MySQL or PostgreSQL from one URL.

Takes a URL, gives connections that answer soon or fail, and the lock by which writers take
turns. Every error of the database leaves here as DatabaseError without the password. Must not
know what is stored.
"""

from __future__ import annotations

import logging
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sales_forecast.errors import DatabaseError, SettingsError, is_full, scheme_of

# Whoever used a connection that broke says so in a sentence; the pool says it again, with a trace.
logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)

_WAIT_SECONDS = 600
"""How long a writer waits for those before it, if nobody waits for the writer."""
_TURN_SECONDS = 5
_SECONDS_BETWEEN = 0.05
_LOCK_SECONDS = 30
_ANSWER_SECONDS = 10  # a server that is silent for so long is dead
_POSTGRES_LOCK = int.from_bytes(b"sales")  # any number that others in the database do not use
_ESCAPED = "an @, / or # of a password is written %40, %2F or %23"
BRING_UP_TO_DATE = "Bring it up to date: python database_loader.py, or python train.py"
_MISSING = re.compile(r"no such (table|column)|(relation|column) .* does not exist|\((1146|1054),")
"""How the three databases name a table, or a column, that is not there."""
_CONNECT: Mapping[str, Mapping[str, Any]] = {
    # No isolation level: the driver begins nothing by itself, `_lock` does.
    "sqlite": {"timeout": _LOCK_SECONDS, "isolation_level": None, "check_same_thread": False},
    "mysql+pymysql": {
        "connect_timeout": 5,
        "read_timeout": _ANSWER_SECONDS,
        "write_timeout": _ANSWER_SECONDS,
    },
    "postgresql+psycopg": {
        "connect_timeout": 5,
        "keepalives_idle": 5,
        "tcp_user_timeout": _ANSWER_SECONDS * 1000,
    },
}

logger = logging.getLogger(__name__)


class Server:
    """One database server or file. Connects at the first call; safe to share between threads."""

    def __init__(self, url: str) -> None:
        """Take a URL as in the setting DATABASE_URL; the folder of an SQLite file is made.

        Raises SettingsError for a URL of another form, and for a folder in one that is not there.
        """
        self._url = _parse(url)
        with self._translating(), _understood():
            self._engine = self._writer = _engine(self._url)
            if self._url.drivername == "sqlite" and isinstance(self._engine.pool, sa.NullPool):
                self._engine = _engine(self._url)
                sa.event.listen(self._engine, "do_connect", _make_no_file)

    def close(self) -> None:
        """Close the idle connections."""
        self._engine.dispose()
        self._writer.dispose()

    @property
    def shown(self) -> str:
        """The URL without anything secret."""
        # Some drivers also take a password after the question mark.
        host = self._url.host or ""
        if host.isdecimal() or (not host and self._url.port):
            return scheme_of(str(self._url))  # digits that may be the end of a password
        return self._url.set(query={}).render_as_string(hide_password=True)

    @contextmanager
    def connection(self, *, makes_file: bool = False) -> Iterator[sa.Connection]:
        """Give a connection. Raises DatabaseError for whatever fails while it is open.

        A file of SQLite that is not there looks empty to who reads; `makes_file`: it is made.
        """
        with self._translating(), self._connect(makes_file=makes_file) as connection:
            yield connection

    @contextmanager
    def writing(self, seconds: int = _WAIT_SECONDS) -> Iterator[sa.Connection]:
        """Let one writer in, before it makes tables or reads, until its connection closes.

        Raises DatabaseError where others still write after so many `seconds`.
        """
        with self.connection(makes_file=True) as connection:
            _lock_writers(connection, seconds)
            yield connection

    def _connect(self, *, makes_file: bool) -> sa.Connection:
        with _understood():
            return (self._writer if makes_file else self._engine).connect()

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        # Of ways to log in that PyMySQL cannot do, and of letters that a database lacks.
        except (sa.exc.SQLAlchemyError, OSError, RuntimeError, UnicodeEncodeError) as error:
            cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            reason, shown = " ".join(str(cause).split()).rstrip(".?"), self.shown
            hint = (
                "Check that the file may be written and that no other program holds it."
                if self._url.drivername == "sqlite"
                else "Check DATABASE_URL, and that the database runs and lets this user in."
            )
            if _MISSING.search(reason):
                hint = BRING_UP_TO_DATE
            if cause is not None and is_full(cause):
                reason, hint = "the disk is full", "Make room, then run the command again."
            if isinstance(error, UnicodeEncodeError):
                letter = error.object[error.start]
                reason = f"it has no letter {letter!r}, as it is not in UTF-8 (MySQL: utf8mb4)"
                hint = "Make a database that is, and leave charset out of DATABASE_URL."
            if self._url.host and not _is_known(self._url.host):
                # What stands in its place may be a part of the password.
                reason, shown = "its host cannot be found", scheme_of(self.shown)
                hint = f"Check the host in DATABASE_URL, and that {_ESCAPED}."
            message = f"The database {shown} does not answer as it should: {reason}. {hint}"
            public = "The database does not answer as it should; the log of the service says why."
            raise DatabaseError(message, {"database": shown}, public=public) from error


@contextmanager
def _understood() -> Iterator[None]:
    """Raise OSError for what drivers leave to Python to complain of."""
    try:
        yield
    except (AttributeError, TypeError, ValueError) as error:
        raise OSError(
            "the driver cannot use its host, its encoding or what follows the question mark"
        ) from error


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.SQLAlchemyError, ValueError):
        parsed = None
    # No more than the scheme is shown: one that cannot be parsed may have its password anywhere.
    if parsed is None or not _is_usable(parsed, url):
        raise SettingsError(
            "DATABASE_URL must be of the form sqlite:///FILE,"
            " mysql+pymysql://USER:PASSWORD@HOST/NAME or postgresql+psycopg://USER:PASSWORD@HOST/NAME,"
            f" where {_ESCAPED}; it is {scheme_of(url)}"
        )
    return parsed


def _is_usable(parsed: sa.URL, url: str) -> bool:
    """Return whether it names a database we know, and leaves no doubt what is the password."""
    if parsed.drivername == "sqlite":
        return not (parsed.host or parsed.username or parsed.password)
    signs = url.count("@")
    parted = signs == 0 or (signs == 1 and parsed.username is not None)
    return parsed.drivername in _CONNECT and bool(parsed.database) and parted


def _is_known(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return True


def _engine(url: sa.URL) -> sa.Engine:
    pool: type[sa.Pool] = sa.QueuePool
    if url.drivername == "sqlite":
        in_memory = url.database in {None, "", ":memory:"}
        # A file is opened anew each time: one that was deleted and made again is noticed.
        pool = sa.StaticPool if in_memory else sa.NullPool
        if not in_memory:
            _make(Path(str(url.database)).parent)
    arguments = dict(_CONNECT[url.drivername])
    return sa.create_engine(url, poolclass=pool, pool_pre_ping=True, connect_args=arguments)


def _make_no_file(
    _: sa.Dialect, __: object, arguments: list[str], ___: Mapping[str, object]
) -> None:
    """Let who opens a file that is not there find nothing, and make nothing."""
    if not arguments[0].startswith("file:") and not Path(arguments[0]).exists():
        arguments[0] = ":memory:"


def _make(folder: Path) -> None:
    """Make the folder of a database, but no folders around it: a mistyped path is no wish."""
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise SettingsError(
            f"The database is to lie in {folder}, and {folder.parent} is not there either. "
            "Make that folder, or correct the path: DATABASE_URL, or VAR_DIR without one."
        ) from None


def now() -> datetime:
    """Return this moment, to the second: MySQL keeps no more."""
    return datetime.now(UTC).replace(microsecond=0)


def in_utc(moment: datetime) -> datetime:
    """Return a stored moment with its time zone, which only PostgreSQL gives back."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def read_at_one_moment(connection: sa.Connection) -> None:
    """Let all that is read until the connection closes be of one moment; MySQL does so itself."""
    match connection.dialect.name:
        case "sqlite":
            connection.exec_driver_sql("BEGIN")
        case "postgresql":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def _lock_writers(connection: sa.Connection, seconds: int) -> None:
    if connection.dialect.name == "mysql":
        connection.detach()  # the lock belongs to the session: it must not return to the pool
    begun, told = time.monotonic(), False
    while not _let_in(connection):
        waited = time.monotonic() - begun
        if waited >= seconds:
            raise DatabaseError(f"Another writer still works after {waited:.0f} s. Try again.")
        if not told:
            logger.warning("Another writer is at work: waiting for it, for %d s at most.", seconds)
            told = True
        time.sleep(_SECONDS_BETWEEN)


def _let_in(connection: sa.Connection) -> bool:
    """Wait a while for the turn to write, not so long that a server that makes wait looks dead."""
    name, turn = connection.dialect.name, _TURN_SECONDS
    if name == "mysql":
        ask = f"SELECT GET_LOCK(MD5(CONCAT('sales_forecast.', DATABASE())), {turn})"
        return bool(connection.scalar(sa.text(ask)))
    try:
        if name == "sqlite":
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {turn * 1000}")
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")  # readers do not wait
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{turn}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_POSTGRES_LOCK})")
    except sa.exc.OperationalError as error:
        if not any(word in str(error.orig) for word in ("locked", "lock timeout")):
            raise
        connection.rollback()
        return False
    return True
