"""Names in CSV files that people open are names, whatever a spreadsheet would make of them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sales_forecast.data.forecasts.forecast_export import newest_forecasts
from sales_forecast.data.inert import inert
from sales_forecast.evaluation.measurement import Measurement
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import with_quantiles
from tests.builders import sample_panel, table_of
from tests.judged import BEST, SPEC, begin, two_stores


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_a_formula_begins_with_gets_an_apostrophe(name: str) -> None:
    assert f"'{name}" == inert(name)


@pytest.mark.parametrize("cell", ["north", "a=b", "", "1-2", -5.5, -3, None])
def test_anything_else_stays_as_it_is(cell: object) -> None:
    assert cell is inert(cell)


FORMULA = "=cmd|' /C calc'!A0"


@pytest.mark.parametrize(("for_spreadsheets", "shown"), [(False, FORMULA), (True, f"'{FORMULA}")])
def test_in_the_file_of_forecasts_names_are_inert_where_that_was_asked_for(
    tmp_path: Path, for_spreadsheets: bool, shown: str
) -> None:
    url = f"sqlite:///{tmp_path}/sales.db"
    key = SPEC.keys[0].model_copy(update={"kind": "text"})
    names = (FORMULA, "north")
    panel = replace(
        two_stores(),
        series=names,
        keys={"Store": np.array(names)},
        spec=SPEC.model_copy(update={"keys": (key,)}),
    )
    begin(url, BEST, sales=panel)

    with newest_forecasts(url, for_spreadsheets=for_spreadsheets) as pieces:
        rows = [*csv.DictReader(io.StringIO("".join(pieces)))]
    assert {shown, "north"} == {row["Store"] for row in rows}


@pytest.mark.parametrize(("for_spreadsheets", "shown"), [(False, FORMULA), (True, f"'{FORMULA}")])
def test_in_the_file_of_predictions_they_are_too_and_numbers_stay_numbers(
    for_spreadsheets: bool, shown: str
) -> None:
    table = table_of([-5.0], {"naive": [-4.0]}, store=FORMULA)
    split = RollingOrigin(1, 1, 1)
    measured = Measurement(sample_panel(1), split, with_quantiles(table))

    (row,) = csv.DictReader(io.StringIO(measured.predictions(for_spreadsheets=for_spreadsheets)))
    assert (shown, "-5.0", "-4.0") == (row["unique_id"], row["y"], row["naive"])
