"""What needs attention: each kind is named with its money, and nothing else is."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from sales_forecast.data.forecasts.former_forecasts import FormerForecasts
from sales_forecast.web.attention import notices
from tests.web.world import of_ones_own

_ISSUES = "SELECT id FROM forecast_issues WHERE role = 'best' ORDER BY origin DESC"
_AHEAD = "FROM forecasts WHERE issue_id = :issue AND series_id = :series AND target"


@pytest.fixture
def own(shop, tmp_path):
    return of_ones_own(shop, tmp_path)


def found(own, **changes):
    """What needs attention of the shop, kind -> row, amount and sentence."""
    sales = replace(own.panel, **changes)
    with closing(FormerForecasts(own.settings.database_url)) as former:
        return {of.kind: (of.row, of.amount, of.sentence) for of in notices(sales, former)}


def asked(own, query, **values):
    told = {name: str(of) if isinstance(of, date) else of for name, of in values.items()}
    engine = sa.create_engine(own.settings.database_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        result = connection.execute(sa.text(query), told)
        return result.all() if result.returns_rows else None


def with_sales(own, row, part, value):
    y = own.panel.y.copy()
    y[row, part] = value
    return y


def test_nothing_needs_attention_where_all_went_as_promised(own):
    assert {} == found(own)


@pytest.mark.parametrize(
    ("edge", "by", "word"), [("upper_80", 5000, "more"), ("lower_80", -5000, "less")]
)
def test_a_series_that_left_its_interval_is_named_by_how_far(own, edge, by, word):
    (_,), (before,) = asked(own, f"{_ISSUES} LIMIT 2")
    ((end,),) = asked(
        own, f"SELECT {edge} {_AHEAD} = :last", issue=before, series=2, last=own.panel.last
    )
    row, amount, sentence = found(own, y=with_sales(own, 1, -1, end + by))["outside"]
    assert (1, pytest.approx(5000)) == (row, amount)
    assert f"Sold {end + by:,.0f}, 5,000 {word} than the interval of 80%" in sentence
    assert "outside" not in found(own, y=with_sales(own, 1, -1, end))


def test_less_than_a_piece_is_nothing_and_a_part_of_an_amount_is_something(own):
    (_,), (before,) = asked(own, f"{_ISSUES} LIMIT 2")
    ((end,),) = asked(
        own, f"SELECT upper_80 {_AHEAD} = :last", issue=before, series=2, last=own.panel.last
    )
    _, amount, sentence = found(own, y=with_sales(own, 1, -1, end + 0.5))["outside"]
    assert pytest.approx(0.5) == amount
    assert ", 0.50 more than the interval" in sentence
    pieces = np.round(own.panel.y)
    pieces[1, -1] = np.ceil(end)
    assert 0 < np.ceil(end) - end < 1
    assert "outside" not in found(own, y=pieces)


def test_a_forecast_that_moved_is_named_by_its_next_four_weeks(own):
    (newest,), (before,) = asked(own, f"{_ISSUES} LIMIT 2")
    asked(own, "DROP TRIGGER forecasts_update")  # what was issued is never changed otherwise
    query = "UPDATE forecasts SET sales = sales * 1.5 WHERE issue_id = :issue AND series_id = 3"
    asked(own, query, issue=newest)
    ends = [str(of) for of in own.panel.after(4)]
    sums = [
        asked(
            own,
            f"SELECT SUM(sales) {_AHEAD} BETWEEN :first AND :last",
            issue=issue,
            series=3,
            first=ends[0],
            last=ends[-1],
        )[0][0]
        for issue in (newest, before)
    ]
    ((row, amount, sentence),) = found(own).values()
    assert (2, pytest.approx(sums[0] - sums[1])) == (row, amount)
    assert f"{sums[0]:,.0f}, which is {sums[0] / sums[1] - 1:+.1%} against" in sentence


def test_weeks_that_one_of_two_origins_did_not_reach_are_not_compared(own):
    (newest,), (before,) = asked(own, f"{_ISSUES} LIMIT 2")
    asked(own, "DROP TRIGGER forecasts_delete")
    second = str(own.panel.after(2)[1])
    asked(
        own, "DELETE FROM forecasts WHERE issue_id = :of AND target > :day", of=before, day=second
    )
    assert {} == found(own)
    asked(own, "DROP TRIGGER forecasts_update")
    query = "UPDATE forecasts SET sales = sales * 1.5 WHERE issue_id = :of AND series_id = 3"
    asked(own, query, of=newest)
    assert found(own)["moved"][2].startswith("The next 2 weeks: ")


class Former:
    """What was said of days by origin: as much of each day and series."""

    def __init__(self, said):
        self.said = said

    def origins(self, most):
        return {origin: number for number, origin in enumerate(sorted(self.said)[::-1][:most])}

    def cells(self, panel, issues, targets):
        of = {number: self.said[origin] for origin, number in self.origins(99).items()}
        ends = dict.fromkeys(("lower_80", "upper_80"), np.full(panel.n_series, np.nan))
        return {
            (issue, target): {**ends, "sales": np.full(panel.n_series, of[issue])}
            for issue in issues
            for target in targets
        }


@pytest.mark.parametrize("every", [1, 7])
def test_a_forecast_of_days_is_compared_with_that_of_a_week_before(days_shop, every):
    last = days_shop.panel.last
    said = {
        last - timedelta(days=every * of): 100.0 if every * of < 8 else 50.0 for of in range(15)
    }
    assert "moved" not in {of.kind for of in notices(days_shop.panel, Former(said))}
    said[last] = 120.0
    (one, *_) = [of for of in notices(days_shop.panel, Former(said)) if of.kind == "moved"]
    assert one.sentence.startswith("The next 4 weeks: 3,360, which is +20.0% against")


def test_a_series_that_sold_nothing_for_four_weeks_may_have_ended(own):
    y = with_sales(own, 3, slice(-4, None), 0)
    row, amount, sentence = found(own, y=y)["ended"]
    assert (3, pytest.approx(4 * y[3, -30:-4].mean())) == (row, amount)
    assert sentence.startswith("No sales since 28 Sep 2012;")
    assert "ended" not in found(own, y=with_sales(own, 3, slice(-3, None), 0))


def test_a_series_whose_first_sales_are_eight_weeks_old_began(own):
    y = with_sales(own, 0, slice(None, -8), np.nan)
    row, amount, sentence = found(own, y=y)["began"]
    assert (0, pytest.approx(y[0, -8:].sum())) == (row, amount)
    assert sentence.startswith("First sales 7 Sep 2012;")
    assert "began" not in found(own, y=with_sales(own, 0, slice(None, -9), np.nan))


def test_the_most_money_comes_first(own):
    y = with_sales(own, 3, slice(-4, None), 0)
    y[0, :-8] = np.nan
    with closing(FormerForecasts(own.settings.database_url)) as former:
        amounts = [of.amount for of in notices(replace(own.panel, y=y), former)]
    assert len(amounts) > 2
    assert amounts == sorted(amounts, reverse=True)
