"""The way to a database: SQLite, MySQL or PostgreSQL from one URL.

Takes a URL, gives connections that answer soon or fail, to writers one after the other. Every error
of the database leaves here as DatabaseError without the password. Must not know what is stored.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from sales_forecast.data.database_address import CONNECT, ESCAPED, is_known, parsed, without_secrets
from sales_forecast.data.database_turn import take_turn
from sales_forecast.errors import DatabaseError, SettingsError, is_full, scheme_of

# Whoever used a connection that broke says so in a sentence; the pool says it again, with a trace.
logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)

_WAIT_SECONDS = 600
"""How long a writer waits for those before it, if nobody waits for the writer."""
BRING_UP_TO_DATE = "Bring it up to date: python database_loader.py, or python train.py"
_MISSING = re.compile(r"no such (table|column)|(relation|column) .* does not exist|\((1146|1054),")
"""How the three databases name a table, or a column, that is not there."""


class Server:
    """One database server or file. Connects at the first call; safe to share between threads.

    Attributes:
        shown: the URL without anything secret.
    """

    def __init__(self, url: str) -> None:
        """Take a URL as in the setting DATABASE_URL; the folder of an SQLite file is made.

        Raises SettingsError for a URL of another form, and for a folder in one that is not there.
        """
        self._url = parsed(url)
        self.shown = without_secrets(self._url)
        with self._translating(), _understood():
            self._engine = self._writer = _engine(self._url)
            if self._url.drivername == "sqlite" and isinstance(self._engine.pool, sa.NullPool):
                self._engine = _engine(self._url)
                sa.event.listen(self._engine, "do_connect", _make_no_file)

    def close(self) -> None:
        """Close the idle connections."""
        self._engine.dispose()
        self._writer.dispose()

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
            take_turn(connection, seconds)
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
            reason, named = " ".join(str(cause).split()).rstrip(".?"), self.shown
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
            if self._url.host and not is_known(self._url.host):
                # What stands in its place may be a part of the password.
                reason, named = "its host cannot be found", scheme_of(self.shown)
                hint = f"Check the host in DATABASE_URL, and that {ESCAPED}."
            message = f"The database {named} does not answer as it should: {reason}. {hint}"
            public = "The database does not answer as it should; the log of the service says why."
            raise DatabaseError(message, {"database": named}, public=public) from error


@contextmanager
def _understood() -> Iterator[None]:
    """Raise OSError for what drivers leave to Python to complain of."""
    try:
        yield
    except (AttributeError, TypeError, ValueError) as error:
        raise OSError(
            "the driver cannot use its host, its encoding or what follows the question mark"
        ) from error


def _engine(url: sa.URL) -> sa.Engine:
    pool: type[sa.Pool] = sa.QueuePool
    if url.drivername == "sqlite":
        in_memory = url.database in {None, "", ":memory:"}
        # A file is opened anew each time: one that was deleted and made again is noticed.
        pool = sa.StaticPool if in_memory else sa.NullPool
        if not in_memory:
            _make(Path(str(url.database)).parent)
    arguments = dict(CONNECT[url.drivername])
    engine = sa.create_engine(url, poolclass=pool, pool_pre_ping=True, connect_args=arguments)
    end_where_silent(engine)
    return engine


def end_where_silent(engine: sa.Engine) -> None:
    """Let no connection wait without end for a PostgreSQL that stands still."""
    if engine.dialect.name == "postgresql" and engine.dialect.driver == "psycopg":
        from sales_forecast.data.postgres_silence import Listening  # its driver, by need

        sa.event.listen(engine, "do_connect", Listening.to)


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


def read_at_one_moment(connection: sa.Connection) -> None:
    """Let all that is read until the connection closes be of one moment; MySQL does so itself."""
    match connection.dialect.name:
        case "sqlite":
            connection.exec_driver_sql("BEGIN")
        case "postgresql":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
