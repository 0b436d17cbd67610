"""How long a page of the ledger takes among ten million answers.

    python -m benchmarks.ledger_pages --database-url postgresql+psycopg://USER@HOST/EMPTY_DATABASE
    python -m benchmarks.ledger_pages --database-url mysql+pymysql://USER@HOST/EMPTY_DATABASE

Makes the tables, lets the server fill them with answers about 45 stores over 400 days, unless there
are any, and reads pages as `GET /predictions` does: the newest, from anywhere, of one store, since
and as of a day, of one caller. Prints the median and the slowest of each kind. The rows stay:
drop the database.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from math import lcm
from statistics import median

import sqlalchemy as sa

from sales_forecast.data.database import Database
from sales_forecast.data.ledger.ids import first_id
from sales_forecast.data.ledger.stored_predictions import PageWish, StoredPredictions
from sales_forecast.data.ledger.tables import PREDICTION_KEYS, PREDICTIONS, key_hash

STORES, DAYS, LIMIT, CALLERS = 45, 400, 100, 20
AT_ONCE = 200_000
ANSWER = (
    '[{"series": {"store_id": 1}, "forecast": [{"step": 1, "target": "2012-11-02", "median": 1.5,'
    ' "mean": 1.5, "quantiles": {"0.1": 1.25, "0.9": 1.75}}]}]'
)
HEX = {"postgresql": "lpad(to_hex({}), {}, '0')", "mysql": "LOWER(LPAD(HEX({}), {}, '0'))"}


def fill(connection: sa.Connection, rows: int, begin: datetime) -> None:
    """Add answers, equally far apart, the number of each in its id."""
    name = "postgresql" if connection.dialect.name == "postgresql" else "mysql"
    milliseconds = int(begin.timestamp() * 1000)
    apart = DAYS * 86_400_000 // rows
    moment = HEX[name].format(f"({milliseconds} + n * {apart})", 12)
    text = f"CONCAT(SUBSTR({moment}, 1, 8), '-', SUBSTR({moment}, 9), '-7000-8000-', "
    text += HEX[name].format("n", 12) + ")"
    prediction_id = f"({text})::uuid" if name == "postgresql" else text
    json = f"'{ANSWER}'"
    cells = f"{prediction_id}, '2026-01-01', 'request', '/forecast_sales',"
    cells += f" CONCAT('caller-', MOD(n, {CALLERS})), 'arima', '2012-10-26-4249dce31234',"
    cells += f" NULL, NULL, 'f', '2012-10-26', '{{}}', '[]', {json}, NULL"
    connection.exec_driver_sql("CREATE TABLE numbers (n BIGINT PRIMARY KEY)")
    connection.exec_driver_sql("INSERT INTO numbers VALUES (0)")
    count = 1
    while count < AT_ONCE:
        connection.exec_driver_sql(f"INSERT INTO numbers SELECT n + {count} FROM numbers")
        count *= 2
    connection.exec_driver_sql("CREATE TABLE hashes_of (rest BIGINT, hash BIGINT)")
    alike = lcm(STORES, CALLERS)
    for rest in range(alike):
        of_store = {"store_id": rest % STORES + 1}
        for caller in (None, f"caller-{rest % CALLERS}"):
            values = f"({rest}, {key_hash(of_store, caller)})"
            connection.exec_driver_sql(f"INSERT INTO hashes_of VALUES {values}")
    connection.commit()
    for start in range(0, rows, AT_ONCE):
        some = f"SELECT n + {start} AS n FROM numbers WHERE n < {min(AT_ONCE, rows - start)}"
        rows_of = f"SELECT {cells} FROM ({some}) AS given"
        keys_of = f"SELECT hash, {prediction_id} FROM ({some}) AS given JOIN hashes_of"
        keys_of += f" ON rest = MOD(n, {alike})"
        connection.exec_driver_sql(f"INSERT INTO {PREDICTIONS.name} {rows_of}")
        connection.exec_driver_sql(f"INSERT INTO {PREDICTION_KEYS.name} {keys_of}")
        connection.commit()
        print(f"{start + AT_ONCE:,}", end="\r", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--pages", type=int, default=50, help="of each kind")
    chosen = parser.parse_args()
    with closing(Database(chosen.database_url)) as database:
        database.migrate()
    begin = datetime.now(UTC) - timedelta(days=DAYS)
    engine = sa.create_engine(chosen.database_url)
    with engine.connect() as connection:
        if not connection.execute(sa.select(PREDICTIONS.c.id).limit(1)).first():
            fill(connection, chosen.rows, begin)
        newest = connection.scalar(sa.select(PREDICTIONS.c.id).order_by(PREDICTIONS.c.id.desc()))
    if connection.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
    chance = random.Random(0)  # noqa: S311 - no secret

    def anywhere() -> str:
        return first_id(begin + timedelta(days=chance.uniform(0, DAYS)))

    def store() -> dict[str, int | str]:
        return {"store_id": chance.randint(1, STORES)}

    def days() -> datetime:
        return datetime.now(UTC) - timedelta(days=chance.uniform(0, DAYS))

    kinds: dict[str, Callable[[], PageWish]] = {
        "newest": lambda: PageWish(LIMIT),
        "from anywhere": lambda: PageWish(LIMIT, before=anywhere()),
        "one store": lambda: PageWish(LIMIT, store()),
        "one store from anywhere": lambda: PageWish(LIMIT, store(), before=anywhere()),
        "one store since a day": lambda: PageWish(LIMIT, store(), since=days()),
        "all as of a day": lambda: PageWish(LIMIT, until=days()),
        "one store as of a day": lambda: PageWish(LIMIT, store(), until=days()),
        "a store without any": lambda: PageWish(LIMIT, {"store_id": STORES + 1}),
        "one caller": lambda: PageWish(LIMIT, caller=f"caller-{chance.randrange(CALLERS)}"),
        "one caller's, one store": lambda: PageWish(
            LIMIT, {"store_id": 1}, before=anywhere(), caller="caller-0"
        ),
        "store it never asked for": lambda: PageWish(LIMIT, {"store_id": 1}, caller="caller-1"),
    }
    print(f"{chosen.rows:,} answers, the newest {newest}; pages of {LIMIT}, milliseconds")
    with closing(StoredPredictions(chosen.database_url)) as stored:
        for name, wish in kinds.items():
            took = []
            for _ in range(chosen.pages):
                asked = wish()
                start = time.perf_counter()
                stored.page(asked)
                took.append((time.perf_counter() - start) * 1000)
            print(f"{name:<26}median {median(took):8.1f}   slowest {max(took):8.1f}")


if __name__ == "__main__":
    main()
