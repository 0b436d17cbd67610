"""Rows of a ledger for tests, and a database that holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sales_forecast.data.database import Database
from sales_forecast.data.ledger.ids import first_id
from sales_forecast.data.ledger.tables import (
    METADATA,
    PREDICTION_KEYS,
    PREDICTIONS,
    key_hash,
    ledger_url,
)
from tests.builders import sample_panel

BEGIN = datetime(2026, 11, 26, 20, tzinfo=UTC)


def row(number: int, stores: Sequence[int] = (1,), caller: str | None = None) -> dict[str, Any]:
    """Return answer `number`, given so many seconds after `BEGIN`, about some stores."""
    at = BEGIN + timedelta(seconds=number)
    forecast = [
        {"step": 1, "target": "2012-11-02", "median": 1.5, "mean": 2.0, "quantiles": {"0.1": 1.0}}
    ]
    return {
        "id": first_id(at)[:-12] + f"{number:012x}",
        "answered_at": at,
        "request_id": f"request-{number}",
        "endpoint": "/forecast_sales",
        "caller": caller,
        "model": "arima",
        "model_version": "2012-10-26-4249dce3",
        "bundle_hash": "ab" * 32,
        "git_commit": None,
        "fingerprint": "cd" * 32,
        "origin": date(2012, 10, 26),
        "covariates": {"CPI": {"value": None, "source": "not known"}},
        "warnings": ["größer als je"],
        "answer": [{"series": {"store_id": store}, "forecast": forecast} for store in stores],
        "corrects": None,
    }


def keep(database_url: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put rows into the ledger of a database, which is made where it is not there."""
    url = ledger_url(database_url)
    assert url is not None
    if not url.startswith("sqlite"):
        with closing(Database(database_url)) as database:
            database.write(sample_panel(2, 14), "a.csv")
    keys = [
        {"key_hash": key_hash(one["series"], caller), "prediction_id": of["id"]}
        for of in rows
        for one in of["answer"]
        for caller in {None, of["caller"]}
    ]
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    if url.startswith("sqlite"):
        Path(str(engine.url.database)).parent.mkdir(exist_ok=True)
        METADATA.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(PREDICTIONS), list(rows))
        connection.execute(sa.insert(PREDICTION_KEYS), keys)
