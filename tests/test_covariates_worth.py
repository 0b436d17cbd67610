"""`train.py tune --covariates`: a covariate that moves sales is missed, and one of noise is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import train
from sales_forecast.data.panel import Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.models.trees import XGBOOST
from sales_forecast.tuning import tune
from sales_forecast.tuning.covariates import Without, covariates_table, proposal, search
from tests.builders import sales_file, sample_panel
from tests.test_tune import SMALL

pytestmark = pytest.mark.usefixtures("on_one_thread")


def planted() -> Panel:
    """Stores that sell by the weather of the week, which nobody can guess; and noise."""
    panel = tune.searchable(sample_panel(4))
    rng = np.random.default_rng(3)
    weather, noise = rng.standard_normal((2, *panel.y.shape))
    return replace(
        panel,
        y=panel.y * np.exp(0.2 * weather),
        conditions={"Holiday_Flag": panel.holidays, "Temperature": weather, "CPI": noise},
    )


def test_what_moves_sales_is_missed_and_noise_is_not() -> None:
    quick = replace(XGBOOST, parameters={**XGBOOST.parameters, "n_estimators": 20})
    weather, noise = search(planted(), model=quick)
    assert (("Temperature",), ("CPI",)) == (weather.names, noise.names)
    assert weather.missed
    assert weather.relative_error > 1.05
    assert not noise.missed
    assert "leave_out: [CPI]" in proposal([weather, noise])
    assert covariates_table([weather, noise]).splitlines()[2].startswith("| Temperature | 1.")


def test_what_is_missed_only_together_is_left_out_one_at_a_time() -> None:
    one, other = Without(("a",), 1.001, 0.01), Without(("b",), 0.999, 0.01)
    fine, missed = (Without(("a", "b"), error, 0.01) for error in (1.005, 1.1))
    assert "leave_out: [a, b]" in proposal([one, other, fine])
    said = proposal([one, other, missed])
    assert "leave_out: [b]" in said
    assert said.startswith("Together they are missed")
    assert "Keep all of them" in proposal([replace(one, relative_error=1.2)])


def test_sales_without_covariates_have_nothing_to_leave_out() -> None:
    panel = tune.searchable(sample_panel(2))
    flags = {"Holiday_Flag": panel.holidays}
    with pytest.raises(NotEnoughData, match="no covariate that could be left out"):
        search(replace(panel, conditions=flags), model=SMALL)


def test_the_command_prints_the_figures_and_what_to_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "__defaults__", (search.__defaults__[0], SMALL))
    panel = sample_panel(2)
    unknown = dict.fromkeys(("Temperature", "Fuel_Price", "CPI"), np.full(panel.y.shape, np.nan))
    sales = sales_file(tmp_path, replace(panel, conditions={**panel.conditions, **unknown}))
    sales.write_text(sales.read_text().replace("nan", ""))
    assert 0 == train.main(["tune", "--covariates", "--csv", str(sales)])
    said = capsys.readouterr().out
    assert "| without | relative error | missed |" in said
    assert "| Unemployment | " in said
    assert "CPI" not in said  # nothing is known of it
    with pytest.raises(SystemExit):
        train.main(["tune", "--covariates", "--models", "xgboost"])
