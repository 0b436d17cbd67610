"""The newest forecasts as a CSV file, for whoever takes files.

Takes a database and a place, gives a sentence. A reader finds the old file or the new one, whole.
"""

from __future__ import annotations

from pathlib import Path

from sales_forecast.data.forecasts.forecast_export import newest_forecasts
from sales_forecast.errors import SettingsError
from sales_forecast.reports.whole import whole


def export(url: str, file: Path, *, for_spreadsheets: bool = False) -> str:
    """Write the forecasts of the newest origin; say so.

    `for_spreadsheets`: names that could be formulas are made inert.

    Raises NoForecasts, DatabaseError, and SettingsError where the file cannot be written.
    """
    rows = -1  # the header is none
    with newest_forecasts(url, for_spreadsheets=for_spreadsheets) as pieces:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with whole(file) as aside, aside.open("w", encoding="utf-8", newline="") as out:
                for piece in pieces:
                    out.write(piece)
                    rows += piece.count("\n")
        except OSError as error:
            raise SettingsError(f"{file} cannot be written: {error.strerror}.") from error
    return f"Wrote {max(rows, 0):,} forecasts into {file}."
