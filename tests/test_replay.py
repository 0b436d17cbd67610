"""A replay: all rules over a history as if it were live, and over planted shifts."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from weakref import ReferenceType, ref

import numpy as np
import pytest

import monitor
from sales_forecast.compute.engine import Local
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Array, Panel
from sales_forecast.errors import NotEnoughData, SettingsError
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.models.naive import GROWTH
from sales_forecast.models.pooled import POOLED
from sales_forecast.operations.monitoring import planting
from sales_forecast.operations.monitoring import walk as walks
from sales_forecast.operations.monitoring.errors import errors_of
from sales_forecast.operations.monitoring.replay import Replay, replay
from sales_forecast.operations.monitoring.walk import Part, Walk, said, walk
from tests.builders import sales_file, sample_panel
from tests.trained import silent

HEAVY = pytest.mark.skipif(
    not os.environ.get("REPLAY"), reason="an hour: set REPLAY=1 to replay real sales"
)


@pytest.fixture(autouse=True)
def _in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "LONG_TASKS", Local())


@cache
def walked() -> Walk:
    return walk(sample_panel(6), GROWTH, silent)


def test_the_walk_is_the_backtest_of_every_week_after_the_first_fit() -> None:
    panel = sample_panel(6)
    whole = backtest(panel, [GROWTH], RollingOrigin(1, 143 - 56, 1))
    assert 56 == walked().first
    assert np.isnan(walked().raw[:, :56]).all()
    assert whole[GROWTH.name].to_numpy() == pytest.approx(
        walked().raw[:, 56:].T.ravel(), nan_ok=True
    )


def test_who_works_on_parts_holds_no_sales_of_those_before() -> None:
    sales: list[ReferenceType[Array]] = []
    for start in (56, 60):
        panel = sample_panel(3)
        said(Part(panel, GROWTH, start, start + 4))
        sales.append(ref(panel.y))
        del panel
        gc.collect()
    assert [None, None] == [of() for of in sales]


def test_days_are_walked_through_in_weeks_from_monday_to_sunday() -> None:
    first = np.datetime64("2024-01-03")  # a Wednesday
    n = 7 * 84 + 4
    y = 100 + 10 * np.random.default_rng(0).random((2, n))
    panel = Panel(y=y, periods=first + np.arange(n), series=("1", "2"), frequency=DAILY)
    found = walk(panel, GROWTH, silent)
    errors = errors_of(found.panel, found.expected)
    assert [6] == np.unique([day.weekday() for day in errors.weeks.tolist()]).tolist()
    assert len(errors.weeks) == (found.end - found.first) // 7
    assert not np.isnan(errors.sold).any()
    asked = backtest(panel.until(errors.weeks[0]), [GROWTH], RollingOrigin(7, 1, 1))
    assert asked[GROWTH.name].to_numpy().reshape(2, 7).sum(axis=1) == pytest.approx(
        errors.expected[:, 0]
    )


def test_articles_that_sell_on_few_days_sell_as_much_in_a_week_as_is_expected() -> None:
    rng, n = np.random.default_rng(0), 7 * 84
    y = np.where(rng.random((4, n)) < 0.3, 50 * rng.lognormal(0, 0.3, (4, n)), 0.0)
    days = np.datetime64("2024-01-01") + np.arange(n)
    panel = Panel(y=y, periods=days, series=("1", "2", "3", "4"), frequency=DAILY)
    found = walk(panel, POOLED, silent)
    errors = errors_of(found.panel, found.expected)
    assert errors.sold.sum() == pytest.approx(errors.expected.sum(), rel=0.15)
    assert np.nanmean(errors.logs) == pytest.approx(0, abs=0.3)


def test_a_refit_is_every_four_weeks_from_the_first_on() -> None:
    assert [56, 56, 60] == [walked().refit_before(period) for period in (56, 59, 60)]


@cache
def small() -> Replay:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planting, "STARTS", 3)
        return replay(sample_panel(6), GROWTH.name, silent)


def test_a_replay_says_what_rang_how_often_and_how_soon() -> None:
    said = small().summary()
    assert GROWTH.name == said["model"]
    assert 61 == said["judged_weeks"]
    assert said["alarms_per_year"] == pytest.approx(len(small().alarms) * 52 / 61, abs=1e-3)
    assert {"chain_5", "chain_10", "group_20", "series_20", "coverage_loss"} == {*small().to_find}
    text = small().text()
    assert f"Alarms: {len(small().alarms)}, " in text
    assert "61 weeks show no more than" in text
    soon = small().to_find["chain_10"].median_weeks
    assert f"- chain 10: {soon:g} in the median, " in text
    for alarm in small().alarms:
        assert str(alarm.week) in alarm.message


def test_larger_shifts_are_found_sooner() -> None:
    found = small().to_find
    assert found["chain_5"].within_8 <= found["chain_10"].within_8
    assert found["chain_10"].within_4 > 0


def test_weeks_of_returns_and_without_sales_are_replayed_without_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planting, "STARTS", 1)
    panel = sample_panel(6)
    y = panel.y.copy()
    y[0, 60:80:4], y[1, 70], y[2, 90:95] = -5.0, 0.0, np.nan
    assert 2 == replay(replace(panel, y=y), GROWTH.name, silent).to_find["chain_10"].plants


def test_later_weeks_change_nothing_that_a_replay_says_of_earlier_ones() -> None:
    panel = sample_panel(6)
    y = panel.y.copy()
    y[:, 120:] *= 3
    other = walk(replace(panel, y=y), GROWTH, silent)
    now, then = (errors_of(of.panel, of.expected) for of in (walked(), other))
    for one, two in zip(now.signals(), then.signals(), strict=True):
        sums = one.sums(one.standardised(now)), two.sums(two.standardised(then))
        assert sums[0].statistic[:, :64].tolist() == sums[1].statistic[:, :64].tolist()


def test_a_model_is_named_by_the_catalogue() -> None:
    with pytest.raises(SettingsError, match="--model: unknown crystal"):
        replay(sample_panel(2), "crystal", silent)


def test_too_few_weeks_with_sales_are_told_with_both_numbers() -> None:
    whole = sample_panel(2)
    y = whole.y.copy()
    y[:, 56:][:, np.arange(87) % 4 > 0] = np.nan
    with pytest.raises(NotEnoughData, match=r"measure 26 weeks before .* of 22 whole weeks"):
        replay(replace(whole, y=y), GROWTH.name, silent)


@pytest.mark.parametrize(
    ("n_weeks", "told"),
    [
        (80, r"56 weeks of sales .* 26 more .* there are 80"),
        (89, r"measure 26 weeks .* blocks of 8, and of 33 whole weeks"),
    ],
)
def test_too_few_weeks_are_told_with_both_numbers(n_weeks: int, told: str) -> None:
    with pytest.raises(NotEnoughData, match=told):
        replay(sample_panel(2, n_weeks), GROWTH.name, silent)


def test_weeks_that_nobody_knows_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planting, "STARTS", 3)
    panel = sample_panel(2)
    y = panel.y.copy()
    y[:, 112:120] = np.nan
    found = replay(replace(panel, y=y), GROWTH.name, silent)
    assert 61 - 8 == found.judged_weeks


def test_of_sales_that_begin_too_late_it_is_said_what_is_missing() -> None:
    panel = sample_panel(2)
    for model, y, told in (
        (GROWTH.name, np.zeros_like(panel.y), "the first 56, and no series has sales in these as"),
        (POOLED.name, np.where(np.arange(143) < 60, np.nan, panel.y), "the first 65 weeks at"),
    ):
        with pytest.raises(NotEnoughData, match=told):
            replay(replace(panel, y=y), model, silent)


def test_the_door_replays_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planting, "STARTS", 1)
    file = sales_file(tmp_path, sample_panel(2))
    words = ["replay", "--csv", str(file), "--model", GROWTH.name, "--json"]
    assert 0 == monitor.main(words)
    said = json.loads(capsys.readouterr().out)
    assert {"alarms", "alarms_per_year", "weeks_to_find"} <= said.keys()


def test_a_layout_without_a_file_is_wrong_usage() -> None:
    with pytest.raises(SystemExit, match="2"):
        monitor.main(["replay", "--layout", "departments"])


@HEAVY
@pytest.mark.parametrize("layout", ["stores", "departments"])
def test_on_real_sales_the_rules_ring_once_a_year_and_find_shifts(
    real_panel: Callable[[str], Panel], monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    monkeypatch.undo()
    found = replay(real_panel(layout), None, silent)
    assert found.a_year <= 1
    assert sum(found.resampled.values()) <= 1
    soon = {name: of.median_weeks or 99 for name, of in found.to_find.items()}
    assert soon["chain_10"] <= 2
    assert soon["chain_5"] <= 4
    assert soon["group_20"] <= 4
