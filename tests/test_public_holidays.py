"""Public holidays of a country as a plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sales_forecast.data.files.layouts import read_panel
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Panel
from sales_forecast.data.public_holidays import is_known, public_holidays
from sales_forecast.errors import DataRefused
from tests.builders import daily_panel, days, panel_of


def test_of_days_a_plan_flags_the_national_holidays():
    panel = replace(daily_panel(n_series=2, n_days=364), periods=days("2014-01-01", 364))
    flags = public_holidays(panel, "DE")
    assert (2, 3 * 364) == flags.shape  # no file needs to tell those to come
    assert 1 == flags[0, 365 + 358]  # Christmas Day 2015
    assert [
        "2014-01-01", "2014-04-18", "2014-04-21", "2014-05-01", "2014-05-29", "2014-06-09",
        "2014-10-03", "2014-12-25", "2014-12-26",
    ] == panel.periods[flags[1, :364] == 1].astype(str).tolist()  # fmt: skip


def test_of_weeks_it_counts_them_by_the_day_that_ends_the_week():
    panel = panel_of(np.ones((1, 3)), first="2012-12-28")  # Fridays
    # The 25th and 26th; New Year's Day; none.
    assert [[2, 1, 0]] == public_holidays(panel, "DE")[:, :3].tolist()


def test_a_week_counts_the_days_of_the_year_before():
    panel = panel_of(np.ones((1, 2)), first="2014-01-01")
    assert [[2, 0]] == public_holidays(panel, "DE")[:, :2].tolist()


@pytest.mark.parametrize("code", ["de", "Germany", "XX", "DEU", ""])
def test_only_codes_of_two_letters_are_countries(code: str):
    assert is_known("DE")
    assert is_known("US")
    assert not is_known(code)


def own(folder: Path, country: str, frequency: str = "daily", more: str = "") -> Panel:
    """One shop, two days or weeks from Christmas Day 2013 on, and one that is yet to come."""
    step = 1 if frequency == "daily" else 7
    rows = [f"a,{day},{sales},1" for day, sales in zip(
        days("2013-12-25", 3 * step)[::step], ["10", "20", ""], strict=True
    )]  # fmt: skip
    (folder / "sales.csv").write_text("\n".join(["shop,day,sold,extra", *rows]))
    (folder / "own.toml").write_text(
        f'series = ["shop"]\ndate = "day"\ntarget = "sold"\nfrequency = "{frequency}"\n'
        f'country = "{country}"\n{more}'
    )
    return read_panel(folder / "sales.csv", str(folder / "own.toml"))


def test_ones_own_layout_takes_them_from_a_country(tmp_path: Path):
    panel = own(tmp_path, "DE")
    assert DAILY == panel.frequency
    assert [[1, 1, 0]] == panel.plan["public_holiday"][:, :3].tolist()
    assert 2 == panel.n_periods


def test_ones_own_weeks_too(tmp_path: Path):
    panel = own(tmp_path, "DE", "weekly", 'dates = "last"\n')
    assert [[1, 2, 0]] == panel.plan["public_holiday"][:, :3].tolist()


def test_a_country_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(DataRefused, match="country 'Germany' is no code of a known country"):
        own(tmp_path, "Germany")


@pytest.mark.parametrize("of", ["known_in_advance", "conditions"])
def test_a_column_of_the_same_name_is_refused(tmp_path: Path, of: str):
    with pytest.raises(DataRefused, match="'public_holiday' is no name of a column"):
        own(tmp_path, "DE", more=f'{of} = ["public_holiday"]\n')
