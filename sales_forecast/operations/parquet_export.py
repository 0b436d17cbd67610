"""The newest forecasts and the ledger as Parquet files, in a folder or a bucket of S3.

Takes databases and a place, gives a sentence. Files lie by origin, as query engines expect:
`forecasts/origin=2012-10-26/forecasts.parquet`, and `predictions` likewise. One that is written
again is replaced whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sales_forecast.data.forecasts.forecast_export import newest_rows
from sales_forecast.data.ledger.stored_predictions import StoredPredictions
from sales_forecast.data.moments import in_utc
from sales_forecast.errors import SettingsError
from sales_forecast.operations.aws_calls import calling
from sales_forecast.reports.whole import whole

S3 = "s3://"
_BY = "origin"
_ORIGINS = 2


def export_parquet(url: str, place: str) -> str:
    """Write forecasts of the newest origin, and answers of the two newest; say so.

    Answers that start from the origin before may have come since the last export. Raises
    NoForecasts, DatabaseError, NotReady for a ledger of another release, SettingsError where the
    folder cannot be written, NoticeError where the bucket cannot.
    """
    with newest_rows(url) as (names, pieces):
        rows = [row for piece in pieces for row in piece]
    written = _write(place, "forecasts", names, rows)
    answers = 0
    with closing(StoredPredictions(url)) as ledger:
        for origin in ledger.newest_origins(_ORIGINS):
            answers += _write(place, "predictions", *ledger.of_origin(origin))
    return f"Wrote {written:,} forecasts and {answers:,} answers as Parquet into {place}."


def _write(place: str, what: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Write a file for each origin; return how many rows."""
    by = [*names].index(_BY)
    of_origin: dict[date, list[Sequence[Any]]] = {}
    for row in rows:
        of_origin.setdefault(row[by], []).append(row)
    for origin, own in of_origin.items():
        columns = {
            name: _column(values)
            for name, values in zip(names, zip(*own, strict=True), strict=True)
            if name != _BY
        }
        out = BytesIO()
        pq.write_table(pa.table(columns), out, compression="zstd")
        _put(place, f"{what}/{_BY}={origin}/{what}.parquet", out.getvalue())
    return sum(map(len, of_origin.values()))


def _column(values: Sequence[Any]) -> pa.Array:
    return pa.array([*map(_plain, values)])


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return in_utc(value)
    return json.dumps(value) if isinstance(value, Mapping | list) else value


def _put(place: str, name: str, content: bytes) -> None:
    if place.startswith(S3):
        bucket, _, prefix = place.removeprefix(S3).partition("/")
        key = "/".join(filter(None, (prefix.strip("/"), name)))
        with calling("s3") as s3:
            s3.put_object(Bucket=bucket, Key=key, Body=content)
        return
    file = Path(place) / name
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as aside:
            aside.write_bytes(content)
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}.") from error
