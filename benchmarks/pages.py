"""How long a page of `GET /predictions` is read, among as many answers as are wanted.

    python -m benchmarks.pages --rows 10000000
    python -m benchmarks.pages --rows 10000000 --database-url postgresql+psycopg://USER@HOST/EMPTY_DATABASE

Fills a ledger with answers about 45 stores, ten a second, to three callers, and reads pages of 100
by each filter, as a request does but for HTTP. Prints milliseconds: of the first page, and of the
slowest of the others.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from benchmarks.serving import ROOT
from sales_forecast.data.database import SAMPLE, Database
from sales_forecast.data.ledger_ids import first_id
from sales_forecast.data.ledger_tables import (
    ID,
    METADATA,
    PREDICTION_KEYS,
    PREDICTIONS,
    key_hash,
    ledger_url,
)
from sales_forecast.data.sample import sample_rows
from sales_forecast.data.stored_predictions import PageWish, StoredPredictions

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
APART = timedelta(milliseconds=100)
STORES = 45
BLOCK = 100_000
NUMBERS = sa.Table(
    "numbers", sa.MetaData(), sa.Column("n", sa.BigInteger, primary_key=True, autoincrement=False)
)
QUANTILES = {"0.1": 900_000.25, "0.9": 1_100_000.75}
ANSWER = {
    "answered_at": BEGIN,
    "request_id": "f93931d2d5fb-50611",
    "endpoint": "/forecast_sales",
    "model": "arima",
    "model_version": "2012-10-26-4249dce3",
    "bundle_hash": "ab" * 32,
    "git_commit": "cd" * 20,
    "fingerprint": "ef" * 32,
    "origin": date(2012, 10, 26),
    "covariates": {},
    "warnings": [],
    "answer": [
        {
            "series": {"store_id": 7},
            "forecast": [
                {
                    "step": 1,
                    "target": "2012-11-02",
                    "median": 1e6,
                    "mean": 1e6,
                    "quantiles": QUANTILES,
                }
            ],
        }
    ],
}


def wishes(rows: int) -> Mapping[str, PageWish]:
    """Return what is asked for, by what it is called."""
    half = BEGIN + rows // 2 * APART
    store = {"store_id": 7}
    return {
        "newest": PageWish(100),
        "from the middle": PageWish(100, before=first_id(half)),
        "since the middle": PageWish(100, since=half),
        "one store": PageWish(100, store),
        "one store from the middle": PageWish(100, store, before=first_id(half)),
        "one caller": PageWish(100, caller="often"),
        "one caller, rare": PageWish(100, caller="rare"),
        "one caller and store": PageWish(100, store, caller="often"),
        "one caller, rare, and store": PageWish(100, store, caller="rare"),
    }


def fill(engine: sa.Engine, rows: int) -> None:
    """Add answers by statements that the database works off itself."""
    METADATA.create_all(engine)
    NUMBERS.create(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(NUMBERS), [{"n": n} for n in range(BLOCK)])
    for first in range(0, rows, BLOCK):
        n = NUMBERS.c.n + first
        chosen = NUMBERS.c.n < rows - first
        with engine.begin() as connection:
            answers = {"id": _id(engine, n), "caller": _caller(n)} | {
                name: sa.literal(value, PREDICTIONS.c[name].type) for name, value in ANSWER.items()
            }
            of = sa.select(*answers.values()).where(chosen)
            connection.execute(sa.insert(PREDICTIONS).from_select([*answers], of))
            number = sa.case(
                {store: key_hash({"store_id": store + 1}) for store in range(STORES)},
                value=n % STORES,
            )
            keys = sa.select(number, _id(engine, n)).where(chosen)
            connection.execute(
                sa.insert(PREDICTION_KEYS).from_select(["key_hash", "prediction_id"], keys)
            )


def _caller(n: sa.ColumnElement[int]) -> sa.ColumnElement[str]:
    return sa.case((n % 100_003 == 7, "rare"), (n % 3 == 0, "often"), else_="most")


def _id(engine: sa.Engine, n: sa.ColumnElement[int]) -> sa.ColumnElement[str]:
    begin = int(BEGIN.timestamp() * 1000)
    milliseconds = _hex(engine, n * (APART // timedelta(milliseconds=1)) + begin)
    first, last = (sa.func.substr(milliseconds, *at, type_=sa.String) for at in ((1, 8), (9, 4)))
    return sa.cast(first + "-" + last + "-7000-8000-" + _hex(engine, n), ID)


def _hex(engine: sa.Engine, number: Any) -> sa.ColumnElement[str]:
    """Return the 12 hexadecimal digits of a number."""
    match engine.dialect.name:
        case "sqlite":
            return sa.func.printf("%012x", number, type_=sa.String)
        case "postgresql":
            return sa.func.lpad(sa.func.to_hex(number), 12, "0", type_=sa.String)
    return sa.func.lpad(sa.func.lower(sa.func.hex(number)), 12, "0", type_=sa.String)


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--database-url", help="default: a new file of SQLite in var/benchmark")
    chosen = parser.parse_args()
    folder = ROOT / "var" / "benchmark"
    folder.mkdir(parents=True, exist_ok=True)
    url = chosen.database_url or f"sqlite:///{folder}/pages-{time.time_ns()}.db"
    with closing(Database(url)) as database:
        database.write(sample_rows(), SAMPLE)
    engine = sa.create_engine(ledger_url(url) or url)
    begin = time.perf_counter()
    fill(engine, chosen.rows)
    print(f"{chosen.rows:,} answers in {time.perf_counter() - begin:,.0f} s")
    print(f"\n{'':<30}{'rows':>6}{'first ms':>10}{'slowest ms':>12}")
    with closing(StoredPredictions(url)) as pages:
        for name, wish in wishes(chosen.rows).items():
            seconds = []
            for _ in range(chosen.rounds + 1):
                begin = time.perf_counter()
                found = pages.page(wish)
                seconds.append(time.perf_counter() - begin)
            first, others = seconds[0] * 1000, max(seconds[1:]) * 1000
            print(f"{name:<30}{len(found.rows):>6}{first:>10.0f}{others:>12.0f}", flush=True)


if __name__ == "__main__":
    main()
