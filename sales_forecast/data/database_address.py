"""The address of a database: SQLite, MySQL or PostgreSQL, from the setting DATABASE_URL.

Takes a text, gives a URL that leaves no doubt, how its driver connects, and what may be shown of
it. Must not connect.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from sales_forecast.errors import SettingsError, scheme_of

_LOCK_SECONDS = 30
_ANSWER_SECONDS = 10  # a server that is silent for so long is dead
ESCAPED = "an @, / or # of a password is written %40, %2F or %23"
CONNECT: Mapping[str, Mapping[str, Any]] = {
    # No isolation level: the driver begins nothing by itself, `database_turn` does.
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
"""Driver -> how it connects."""


def parsed(url: str) -> sa.URL:
    """Return a URL of a database that we know. Raises SettingsError."""
    try:
        found = sa.make_url(url)
    except (sa.exc.SQLAlchemyError, ValueError):
        found = None
    # No more than the scheme is shown: one that cannot be parsed may have its password anywhere.
    if found is None or not _is_usable(found, url):
        raise SettingsError(
            "DATABASE_URL must be of the form sqlite:///FILE,"
            " mysql+pymysql://USER:PASSWORD@HOST/NAME or postgresql+psycopg://USER:PASSWORD@HOST/NAME,"
            f" where {ESCAPED}; it is {scheme_of(url)}"
        )
    return found


def _is_usable(parsed: sa.URL, url: str) -> bool:
    """Return whether it names a database we know, and leaves no doubt what is the password."""
    if parsed.drivername == "sqlite":
        return not (parsed.host or parsed.username or parsed.password)
    signs = url.count("@")
    parted = signs == 0 or (signs == 1 and parsed.username is not None)
    return parsed.drivername in CONNECT and bool(parsed.database) and parted


def is_known(host: str) -> bool:
    """Return whether there is a host of this name."""
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return True


def without_secrets(url: sa.URL) -> str:
    """Return a URL without anything secret."""
    # Some drivers also take a password after the question mark.
    host = url.host or ""
    if host.isdecimal() or (not host and url.port):
        return scheme_of(str(url))  # digits that may be the end of a password
    return url.set(query={}).render_as_string(hide_password=True)
