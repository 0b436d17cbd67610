"""A sheet that a spreadsheet saved as CSV is about the series that it was given out for."""

from __future__ import annotations

import io
from pathlib import Path

from sales_forecast.data.files.csv_sheet import csv_rows
from sales_forecast.data.files.layouts import read_panel
from sales_forecast.data.files.workbook import FIRST_DAY
from sales_forecast.planning.sheets import Reading
from sales_forecast.service.series import SeriesIndex
from tests.builders import weeks

SHOPS = ("007", "0012", "012", "Łódź", "0")


def test_the_zeros_that_a_spreadsheet_took_from_a_key_are_given_back(tmp_path: Path) -> None:
    layout, file = tmp_path / "own.toml", tmp_path / "own.csv"
    layout.write_text('series = ["shop"]\ndate = "date"\ndates = "last"\ntarget = "sold"\n')
    rows = [f"{week},{shop},5" for shop in SHOPS for week in weeks("2020-01-05", 3)]
    file.write_text("\n".join(["date,shop,sold", *rows]))
    panel = read_panel(file, str(layout))
    assert panel.spec is not None
    index = SeriesIndex(panel, panel.spec)
    asked = ("007", "7", "12", "0012", "Łódź", "0", "8")
    sheet = "shop,target,new_plan,reason,note,version\n" + "".join(
        f"{shop},{week},9,event,,1-0\n"
        for shop, week in zip(asked, weeks("2020-01-26", len(asked)), strict=True)
    )
    local, cells = csv_rows(io.BytesIO(sheet.encode()))
    reading = Reading(panel.spec, FIRST_DAY, index.out_of_a_spreadsheet, local=local, weekday=6)
    meant = [of.keys[0] for of in reading.changes(cells)]
    assert [] == reading.problems
    # Which of two shops 12 is, nobody can tell; of 8 there is none.
    assert ["007", "007", "12", "0012", "Łódź", "0", "8"] == meant
