"""The tables of the ledger of answers, as the newest revision of the migrations makes them.

Gives the columns that are read and written, and the number by which a series is found. Must not
read or write rows.

Who reads: a page is `predictions` by `id` downwards, `WHERE id < the last one of the page before`.
Ids are UUIDv7: their order is that of time, and `ids.first_id(moment)` is where `since`
begins. A filter by keys, such as `store_id=1` or `store_id=1&dept_id=3`, is one range of
`prediction_keys`: `WHERE key_hash = key_hash({"store_id": 1}) AND prediction_id < ...
ORDER BY prediction_id DESC LIMIT n`, joined with `predictions`. One caller's are found by the index
(caller, id), those about such series by `key_hash({"store_id": 1}, caller)`: whoever never asked
about them is not looked for among the answers to all others. On SQLite these tables lie in a file
of their own: `ledger_url` names it; while nothing was answered yet, it is not there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

ID = (
    sa.String(36)
    .with_variant(mysql.VARCHAR(36, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
    .with_variant(postgresql.UUID(as_uuid=False), "postgresql")
)
"""A UUIDv7 in its usual form, whose order as text is that of its bytes; a str in Python."""
_MOMENT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

METADATA = sa.MetaData()
PREDICTIONS = sa.Table(
    "predictions",
    METADATA,
    sa.Column("id", ID, primary_key=True),
    sa.Column("answered_at", _MOMENT, nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("endpoint", sa.String(32), nullable=False),
    sa.Column("caller", sa.String(64)),
    sa.Column("model", sa.String(64), nullable=False),
    sa.Column("model_version", sa.String(64), nullable=False),
    sa.Column("bundle_hash", sa.String(64)),
    sa.Column("git_commit", sa.String(64)),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("origin", sa.Date, nullable=False),
    sa.Column("covariates", sa.JSON, nullable=False),
    sa.Column("warnings", sa.JSON, nullable=False),
    sa.Column("answer", sa.JSON, nullable=False),
    sa.Column("corrects", ID),
    sa.Index("predictions_by_caller", "caller", "id"),
)
"""One row an answer, never changed.

`answered_at`: UTC. `caller`: the name of the API key; NULL where none was asked for. `bundle_hash`:
SHA-256 of the manifest of the bundle `model_version`, which holds those of its other files; NULL
where the growth baseline answered for a bundle that does not fit, and was never written.
`git_commit`: of the code that trained it. `fingerprint`: of the sales that the answer starts from,
known until `origin`. `covariates`: `{column: {"value", "source"}}`. `warnings`: a list of texts;
of several series it says beside each forecast which are its own. `answer`:
`[{"series": {field: value}, "forecast": [{"step", "target", "median", "mean", "quantiles":
{"0.1": ...}}], "warnings"?}]`. `corrects`: the id of the answer that this one puts right.
"""
PREDICTION_KEYS = sa.Table(
    "prediction_keys",
    METADATA,
    sa.Column("key_hash", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("prediction_id", ID, primary_key=True),
    sqlite_with_rowid=False,
)
"""Which answers are about which series: a row for every choice of one or more of its keys.

Where a key was asked for, there is a second one of each, with its caller.
"""
PREDICTION_DELETIONS = sa.Table(
    "prediction_deletions",
    METADATA,
    sa.Column("id", ID, primary_key=True),
    sa.Column("deleted_at", _MOMENT, nullable=False),
    sa.Column("before_id", ID, nullable=False),
    sa.Column("predictions", sa.Integer, nullable=False),
)
"""What was deleted because of its age: so many rows, all of those there were before an id."""
HISTORY_CLEARED = sa.Table(
    "history_cleared",
    METADATA,
    sa.Column("id", ID, primary_key=True),
    sa.Column("cleared_at", _MOMENT, nullable=False),
    sa.Column("caller", sa.String(64), nullable=False),
    sa.Column("up_to", _MOMENT, nullable=False),
    sa.Index("history_cleared_by_caller", "caller", "id"),
)
"""Who hid from their own page what was answered before when; the newest row of a caller holds."""


def key_hash(keys: Mapping[str, int | str], caller: str | None = None) -> int:
    """Return the number by which answers about series with these keys are found, 64 bits signed.

    `keys`: field -> value, such as `{"store_id": 1}`; one or more of the keys of a panel.
    `caller`: whose alone; None: anyone's.
    """
    named: object = sorted(keys.items())
    if caller is not None:
        named = [named, caller]
    text = json.dumps(named, ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def ledger_url(database_url: str) -> str | None:
    """Return the URL of the database that holds the ledger of a setting DATABASE_URL.

    Beside `sales.db` it is `sales.predictions.db`; None beside a database that is in memory only.
    """
    url = sa.make_url(database_url)
    if url.drivername != "sqlite":
        return database_url
    if url.database in {None, "", ":memory:"}:
        return None
    stem = str(url.database).removesuffix(".db")
    return url.set(database=f"{stem}.predictions.db").render_as_string(hide_password=False)
