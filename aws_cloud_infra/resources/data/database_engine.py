"""The kinds of database server there are, each with what RDS calls its parts and what is not usual.

A table; calls nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Engine:
    """One of them. The version is without its last part, which RDS raises by itself."""

    title: str
    """As people call it."""
    name: str
    version: str
    port: int
    master: str
    """The one login that RDS makes; each engine has names that it keeps for itself."""
    logs: tuple[str, ...]
    """What RDS sends to CloudWatch, into a group each."""
    parameters: Mapping[str, str]
    """Those that are not as RDS has them; only ones that need no restart."""
    prices: str
    """The table of its prices."""

    @property
    def family(self) -> str:
        """What parameters are for."""
        return f"{self.name}{self.version}"


_MYSQL = Engine(
    "MySQL", "mysql", "8.4", 3306, "admin", ("error", "slowquery"),
    {
        "require_secure_transport": "1",
        # What takes longer than a second, into the log that RDS sends to CloudWatch.
        "log_output": "FILE",
        "long_query_time": "1",
        "slow_query_log": "1",
    },
    "rds",
)  # fmt: skip
_POSTGRES = Engine(
    "PostgreSQL", "postgres", "17", 5432, "postgres", ("postgresql", "upgrade"),
    {
        "rds.force_ssl": "1",
        "log_min_duration_statement": "1000",  # what takes longer than a second
    },
    "rds-postgres",
)  # fmt: skip
ENGINES: Mapping[str, Engine] = {engine.name: engine for engine in (_MYSQL, _POSTGRES)}
