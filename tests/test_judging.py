"""Forecasts judged by what was sold: values by hand, once each, and again where sales change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from sales_forecast.bundles.manifest import StoredSpread
from sales_forecast.data.forecast_tables import QUANTILES
from sales_forecast.data.forecasts.issuing import Issue
from sales_forecast.data.forecasts.score_tables import SUMS
from sales_forecast.data.forecasts.stored_scores import ScoreKey, StoredScores
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Panel
from sales_forecast.errors import DatabaseError
from sales_forecast.evaluation.error_sums import Measures, measures
from sales_forecast.evaluation.metrics import Distribution, score
from sales_forecast.models.spread import DECILES
from sales_forecast.operations.judging import Judged, judge
from sales_forecast.prediction.sums import sum_name
from tests import two_keys
from tests.builders import panel_of_layout, spread_of
from tests.docs import code_blocks
from tests.judged import BASELINE, BEST, NAN, Y, baseline_of, begin, issued, load, said, two_stores
from tests.killed import stopped_after
from tests.trained import silent


def scores(url: str, periods: int = 13, **wanted: Any) -> dict[ScoreKey, Measures]:
    with closing(StoredScores(url)) as stored:
        return {key: measures(of) for key, of in stored.sums(periods, **wanted).items()}


def asked(url: str, query: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = connection.execute(sa.text(query)).all()
    return [tuple(str(of) if isinstance(of, date) else of for of in row) for row in found]


ALL_ROWS = "SELECT * FROM scores_realised ORDER BY 1, 2, 3, 4, 5, 6, 7, 8"


def of_all(step: int, level: str = "series") -> ScoreKey:
    return ScoreKey(step, level, "all", "all")


def test_two_stores_and_two_weeks_by_hand(url: str) -> None:
    begin(url, BEST, BASELINE)
    judged = judge(url, load(url, two_stores()), silent)
    found = scores(url)

    # 110 and 190 were sold; 100 and 200 were the medians, 102 and 210 the means.
    near = found[of_all(1)]
    assert (2, 20 / 300, 20 / 2) == (near.n, near.wape, near.wmae)
    assert near.bias == pytest.approx(312 / 300 - 1)
    assert near.skill == pytest.approx(1 - 20 / 60)
    assert (1.0, 1.0) == (near.coverage_80, near.coverage_95)
    # Eight deciles are 10 off, the ends of 80% lie upon one of both and 20 off the other.
    pinball = [(sum(DECILES[1:8]) * 10 + 0.1 * 20 + 0) / 9, (3.5 * 10 + 0.1 * 20 + 0) / 9]
    assert near.wql == pytest.approx(2 * sum(pinball) / 300)

    # 120 and 0 were sold in a holiday, 115 and 4 were the medians, 110 and 8 the means.
    far = found[of_all(2)]
    assert (9 / 120, 3 * 9 / (2 * 3)) == (far.wape, far.wmae)
    assert far.bias == pytest.approx(118 / 120 - 1)
    assert far.skill == pytest.approx(1 - 9 / 25)
    assert Judged(2, "week", 1, near) == judged


def test_a_chain_is_judged_by_the_sum_of_means(url: str) -> None:
    begin(url, BEST, BASELINE)
    judge(url, load(url, two_stores()), silent)
    found = scores(url, level="chain", slice_="all")
    near, far = found[of_all(1, "chain")], found[of_all(2, "chain")]
    assert (1, 12 / 300) == (near.n, near.wape)
    assert near.skill == pytest.approx(1 - 12 / 20)
    assert (2 / 120, 3 * 2 / 3) == (far.wape, far.wmae)
    assert np.isnan(near.coverage_80)


def test_the_sentence_says_how_far_ahead_and_what_the_baseline_did(url: str) -> None:
    begin(url, BEST, BASELINE)
    judged = judge(url, load(url, two_stores()), silent)
    assert judged is not None
    said_of_it = "Judged 2 weeks of forecasts: WAPE 6.7% one week ahead, baseline 20.0%."
    assert said_of_it == judged.sentence()


def test_without_forecasts_or_before_their_periods_nothing_is_judged(url: str) -> None:
    assert judge(url, load(url, two_stores()), silent) is None
    issued(url, load(url, two_stores()), BEST, BASELINE)
    assert judge(url, load(url, two_stores()), silent) is None
    assert {} == scores(url)
    assert [(0,)] == asked(url, "SELECT COUNT(*) FROM scores_realised")


def test_the_same_sales_are_judged_once(url: str) -> None:
    begin(url, BEST, BASELINE)
    stored = load(url, two_stores())
    judge(url, stored, silent)
    before = asked(url, ALL_ROWS)
    assert judge(url, load(url, two_stores()), silent) is None
    assert before == asked(url, ALL_ROWS)


def test_a_corrected_week_is_judged_again_and_the_newest_judgement_counts(url: str) -> None:
    begin(url, BEST, BASELINE)
    judge(url, load(url, two_stores()), silent)
    before = asked(url, ALL_ROWS)
    corrected = Y.copy()
    corrected[0, 1] = 100.0
    for y, missed in ((corrected, 10 / 290), (Y, 20 / 300)):  # and back again
        judged = judge(url, load(url, two_stores(y)), silent)
        assert judged is not None
        assert (1, missed) == (judged.periods, judged.measures.wape)
        assert missed == scores(url)[of_all(1)].wape
    after = asked(url, ALL_ROWS)
    assert {*before} < {*after}
    of_one = "SELECT revision FROM scores_realised WHERE step = {} AND level = 'chain'"
    of_one += " AND slice = 'all' AND role = 'best' ORDER BY revision"
    assert [(1,), (2,), (3,)] == asked(url, of_one.format(1))
    assert [(1,)] == asked(url, of_one.format(2))


def test_a_corrected_holiday_is_judged_again_and_leaves_no_score_behind(url: str) -> None:
    begin(url, BEST, BASELINE)
    judge(url, load(url, two_stores()), silent)
    assert ScoreKey(2, "series", "holiday", "yes") in scores(url)
    judge(url, load(url, two_stores(holidays=(0, 0, 0))), silent)
    found = scores(url)
    assert ScoreKey(2, "series", "holiday", "yes") not in found
    assert 9 / 2 == found[of_all(2)].wmae


def test_holidays_are_a_slice_of_their_own(url: str) -> None:
    begin(url, BEST, BASELINE)
    judge(url, load(url, two_stores()), silent)
    found = scores(url, slice_="holiday")
    expected = {(level, step) for level in ("series", "chain") for step in (1, 2)}
    assert expected == {(key.level, key.step) for key in found}
    assert 9 / 120 == found[ScoreKey(2, "series", "holiday", "yes")].wape
    assert 20 / 300 == found[ScoreKey(1, "series", "holiday", "no")].wape


def test_what_is_not_known_is_not_judged_and_zero_is(url: str) -> None:
    begin(url, BEST, BASELINE)
    unknown = Y.copy()
    unknown[0, 2] = NAN
    judge(url, load(url, two_stores(unknown)), silent)
    found = scores(url)[of_all(2)]
    assert 1 == found.n
    assert np.isnan(found.wape)
    assert 4.0 == found.wmae
    judge(url, load(url, two_stores()), silent)
    assert 2 == scores(url)[of_all(2)].n


def test_without_a_baseline_there_is_no_skill(url: str) -> None:
    begin(url, BEST)
    judged = judge(url, load(url, two_stores()), silent)
    assert judged is not None
    assert "Judged 2 weeks of forecasts: WAPE 6.7% one week ahead." == judged.sentence()
    assert np.isnan(scores(url)[of_all(1)].skill)
    assert [("best",)] == asked(url, "SELECT DISTINCT role FROM scores_newest")


def test_where_nothing_was_promised_nothing_is_covered(url: str) -> None:
    begin(url, said([[102.0, 110.0], [210.0, 8.0]], by=None), BASELINE)
    judge(url, load(url, two_stores()), silent)
    found = scores(url)[of_all(1)]
    assert 28 / 300 == found.wape
    assert np.isnan([found.coverage_80, found.coverage_95, found.wql]).all()


def test_rows_that_were_issued_before_quantiles_are_judged_by_their_mean(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sales.db"
    begin(url, BEST, BASELINE)
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text("DROP TRIGGER forecasts_update"))
        connection.execute(sa.text("UPDATE forecasts SET q50 = NULL"))
    judge(url, load(url, two_stores()), silent)
    assert 28 / 300 == scores(url)[of_all(1)].wape


def test_the_newest_issue_of_an_origin_counts_and_each_version_has_its_scores(url: str) -> None:
    begin(url, BEST, BASELINE)
    begin(url, said(Y[:, 1:], version="v2"), BASELINE)
    judge(url, load(url, two_stores()), silent)
    assert 0.0 == scores(url)[of_all(1)].wape
    versions = "SELECT DISTINCT model_version FROM scores_newest WHERE role = 'best'"
    assert [("v2",)] == asked(url, versions)
    rows = asked(
        url,
        "SELECT model_version, abs_error FROM scores_realised WHERE role = 'best' AND step = 1"
        " AND level = 'series' AND slice = 'all' ORDER BY 1",
    )
    assert [("v1", 20.0), ("v2", 0.0)] == rows


def test_only_the_newest_periods_are_added_up(url: str) -> None:
    begin(url, BEST, BASELINE)
    judge(url, load(url, two_stores()), silent)
    assert {2} == {key.step for key in scores(url, 1)}


def test_a_killed_judging_leaves_whole_periods_and_the_next_completes_it(url: str) -> None:
    sales = two_keys.panel(12)
    begin(url, *noisy(sales, 6), sales=sales, known=6)
    stored = load(url, sales)
    judge(url, stored, silent)
    whole = "SELECT target, COUNT(*), SUM(n) FROM scores_realised GROUP BY target"
    expected = asked(url, f"{whole} ORDER BY target")
    for number in range(1, 7):
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM scores_realised"))
        with stopped_after(number), pytest.raises(DatabaseError, match="killed"):
            judge(url, stored, silent)
        left = asked(url, f"{whole} ORDER BY target")
        assert expected[: number - 1] == left
        judged = judge(url, stored, silent)
        assert judged is not None
        assert 6 - len(left) == judged.periods
        assert expected == asked(url, f"{whole} ORDER BY target")


def noisy(sales: Panel, known: int, seed: int = 3, sums: str = "{}") -> tuple[Issue, Issue]:
    """What is within a tenth of what will be sold, and the baseline twice as far from it."""
    y = sales.y[:, known:]
    off = 1 + 0.1 * np.random.default_rng(seed).standard_normal(y.shape)
    best = said(np.round(y * off, 2), np.round(y * off * 0.99, 2), by=30.0, sums=sums)
    return best, said(np.round(y * (2 * off - 1), 2), role="baseline", by=50.0)


def test_departments_are_judged_as_the_backtest_judges(url: str) -> None:
    sales = two_keys.panel(12)
    best, baseline = noisy(sales, 8)
    begin(url, best, baseline, sales=sales, known=8)
    judge(url, load(url, sales), silent)
    found = scores(url)
    for step in range(1, 5):
        y = sales.y[:, 7 + step]
        at = {tau: best.quantiles[name][:, step - 1] for name, tau in QUANTILES.items()}
        beside = Distribution(best.mean[:, step - 1], at)
        expected = score(y, at[0.5], np.zeros(9), beside)
        one = found[of_all(step)]
        told = [one.wape, one.wmae, one.coverage_80, one.coverage_95, one.wql, 1 + one.bias]
        names = ("wape", "wmae", "coverage_80", "coverage_95", "wql", "sum_ratio")
        assert told == pytest.approx([getattr(expected, name) for name in names])
        theirs = np.abs(y - baseline.mean[:, step - 1]).sum()
        assert one.skill == pytest.approx(1 - np.abs(y - at[0.5]).sum() / theirs)


def test_stores_and_groups_are_sums_and_the_parts_add_up(url: str) -> None:
    sales = two_keys.panel(12)
    best, baseline = noisy(sales, 8)
    begin(url, best, baseline, sales=sales, known=8)
    judge(url, load(url, sales), silent)
    found = scores(url)
    y, mean = (of.reshape(3, 3) for of in (sales.y[:, 8], best.mean[:, 0]))
    by_store = np.abs(y.sum(axis=1) - mean.sum(axis=1)).sum() / y.sum()
    assert (3, by_store) == (
        found[of_all(1, "store")].n,
        pytest.approx(found[of_all(1, "store")].wape),
    )
    for place, name in enumerate(("a", "A", "b")):
        of_group = found[ScoreKey(1, "chain", "group", name)]
        sold = y[:, place].sum()
        assert of_group.wape == pytest.approx(abs(mean[:, place].sum() / sold - 1))
        assert of_group.bias == pytest.approx(mean[:, place].sum() / sold - 1)
        assert 3 == found[ScoreKey(1, "series", "group", name)].n
    for slice_ in ("size", "age", "group"):
        of_slice = [m for key, m in found.items() if (1, "series", slice_) == key[:3]]
        assert 9 == sum(of.n for of in of_slice)
    smallest = found[ScoreKey(1, "series", "size", "smallest third")]
    median = best.quantiles["q50"][:3, 0]
    assert smallest.wape == pytest.approx(np.abs(y[0] - median).sum() / y[0].sum())
    assert {"young"} == {key.slice_value for key in found if key.slice == "age"}


def test_sums_have_the_intervals_that_were_measured_on_sums(url: str) -> None:
    sales = two_keys.panel(9)
    measured = {
        "": spread_of(0.5, 2.0),
        "k1": spread_of(0.99, 1.01, **{sum_name(["10"]): 100.0}),
    }
    stored = {level: StoredSpread.of(spread).model_dump() for level, spread in measured.items()}
    sums = json.dumps(stored)
    expected = sales.y[:, 8:] * 1.05
    begin(url, said(expected, sums=sums), baseline_of(expected), sales=sales, known=8)
    judge(url, load(url, sales), silent)
    found = scores(url)
    assert 1.0 == found[of_all(1, "chain")].coverage_80
    assert found[of_all(1, "store")].coverage_80 == pytest.approx(1 / 3)
    assert np.isnan(found[ScoreKey(1, "chain", "group", "a")].coverage_80)


def test_far_steps_that_were_thinned_are_not_judged_and_not_looked_for(url: str) -> None:
    sales = two_keys.panel(60)
    first = sales.until(sales.periods[9])
    issued(url, load(url, first), said(np.tile(first.y[:, -1:], 40)))
    later = sales.until(sales.periods[39])
    issued(url, load(url, later), said(np.tile(later.y[:, -1:], 20)))
    stored = load(url, sales)
    judged = judge(url, stored, silent)
    assert judged is not None
    assert 13 + 20 == judged.periods
    assert judge(url, stored, silent) is None
    assert [(20,)] == asked(url, "SELECT MAX(step) FROM scores_realised WHERE n > 0")
    assert [] == asked(url, "SELECT step FROM scores_realised WHERE n = 0")


def test_days_are_judged_and_closed_ones_are_not(url: str, tmp_path: Path) -> None:
    sales = panel_of_layout("daily", tmp_path)
    assert DAILY == sales.frequency
    known = sales.until(sales.periods[-8])
    expected = np.tile(known.y[:, -8:-7], 7)
    issued(url, load(url, known), said(expected), said(expected, role="baseline"))
    judged = judge(url, load(url, sales), silent)
    sold = ~np.isnan(sales.y[:, -7:])
    assert judged is not None
    assert (sold.any(axis=0).sum(), "day") == (judged.periods, judged.unit)
    found = scores(url, level="series", slice_="all")
    assert dict(enumerate(sold.sum(axis=0).tolist(), 1)) == {
        step: found[of_all(step)].n if of_all(step) in found else 0 for step in range(1, 8)
    }


def test_how_much_forecasts_moved_from_one_origin_to_the_next(url: str) -> None:
    def moved(origins: int) -> Mapping[int, float]:
        with closing(StoredScores(url)) as stored:
            return stored.changes(origins)

    whole = two_stores()
    begin(url, said([[100.0, 100.0, 100.0], [200.0, 200.0, 200.0]]), baseline_of(np.ones((2, 3))))
    assert {} == moved(13)
    begin(url, said([[110.0, 100.0], [200.0, 170.0]]), baseline_of(np.ones((2, 2))), known=2)
    assert {1: 10 / 300, 2: 30 / 300} == moved(13)
    begin(url, said([[100.0], [200.0]]), sales=whole, known=3)
    assert {1: (10 + 30) / (300 + 270), 2: 30 / 300} == moved(13)
    assert {1: 30 / 270} == moved(1)


def test_sums_of_scores_are_columns_of_the_table(url: str) -> None:
    load(url, two_stores())
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    columns = [column["name"] for column in sa.inspect(engine).get_columns("scores_newest")]
    assert {*SUMS} <= {*columns}


def test_the_questions_of_the_documentation_are_answered(url: str) -> None:
    begin(url, BEST, BASELINE)
    judge(url, load(url, two_stores()), silent)
    of_steps, of_holidays = (
        query for query in code_blocks("forecasts.md", "sql") if "scores_newest" in query
    )
    rows = [tuple(map(float, row)) for row in asked(url, of_steps)]
    assert [(1, 6.7, 20.0, 4.0), (2, 7.5, 20.8, -1.7)] == rows
    assert [("yes", 7.5)] == [(name, float(wape)) for name, wape in asked(url, of_holidays)[1:]]


def test_each_period_is_told_while_it_is_judged(url: str) -> None:
    begin(url, BEST, BASELINE)
    told: list[str] = []
    judge(url, load(url, two_stores()), told.append)
    assert told
    assert f"judging forecasts: week 1 of {len(told)}, " == told[0][:-10]
    assert len(told) == len({*told})
