"""What was forecast is issued once, kept as it was, and read back exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from sales_forecast.data.admission import SAMPLE
from sales_forecast.data.database import Database
from sales_forecast.data.forecast_tables import FORECAST_ISSUES, FORECASTS
from sales_forecast.data.forecasts.issuing import ForecastTable, Written
from sales_forecast.data.forecasts.stored_forecasts import StoredForecasts
from sales_forecast.data.panel import Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.errors import InvalidRequest, NoForecasts, NotReady
from tests.two_keys import KEYS, SPEC, issue, panel, sales_of

NOW = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)
Rows = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture
def table(url: str) -> Iterator[ForecastTable]:
    """Forecasts beside 20 weeks of nine departments."""
    load(url, panel())
    with closing(ForecastTable(url)) as table:
        yield table


@pytest.fixture
def stored(url: str) -> Iterator[StoredForecasts]:
    with closing(StoredForecasts(url)) as stored:
        yield stored


@pytest.fixture
def rows(url: str) -> Rows:
    def ask(query: str) -> list[tuple[object, ...]]:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            found = connection.execute(sa.text(query)).all()
        return [tuple(str(of) if isinstance(of, date) else of for of in row) for row in found]

    return ask


def load(url: str, sales: Panel, source: str = "panel") -> None:
    with closing(Database(url)) as database:
        database.write(sales, source)


def both(sales: Panel, horizon: int = 4, *, version: str = "v1", seed: int = 1) -> list:
    expected = sales_of(sales.n_series, horizon, seed)
    return [
        issue(expected, version=version),
        issue(expected / 2, role="baseline", version=version),
    ]


def test_what_is_read_is_what_was_written_in_cents(
    table: ForecastTable, stored: StoredForecasts
) -> None:
    sales, (best, _) = panel(), both(panel())
    assert Written(2 * 9 * 4, 0) == table.write(sales, both(sales), NOW)
    for row, (store, department) in enumerate(KEYS):
        found = stored.find(SPEC, {"k1": str(store), "k2": department})
        assert (sales.last, "pooled", "v1") == (found.origin, found.model, found.model_version)
        assert NOW == found.issued_at
        assert [1, 2, 3, 4] == [period.step for period in found.periods]
        assert sales.after(4).tolist() == [period.target for period in found.periods]
        expected = [round(value, 2) for value in best.mean[row].tolist()]
        assert expected == [period.sales for period in found.periods]
        at = {name: round(float(of[row, 3]), 2) for name, of in best.quantiles.items()}
        assert {**at, "lower_95": None, "upper_95": None} == found.periods[3].quantiles


def test_sums_are_those_of_the_cents(table: ForecastTable, stored: StoredForecasts) -> None:
    table.write(panel(), both(panel()), NOW)

    def cents(**keys: str) -> list[int]:
        found = [round(of.sales * 100) for of in stored.find(SPEC, keys).periods]
        assert [value / 100 for value in found] == [
            of.sales for of in stored.find(SPEC, keys).periods
        ]
        return found

    chain = np.array(cents())
    stores = np.array([cents(k1=store) for store in ("1", "2", "10")])
    departments = np.array([cents(k2=name) for name in ("a", "A", "b")])
    each = np.array([cents(k1=str(store), k2=name) for store, name in KEYS])
    np.testing.assert_array_equal(chain, stores.sum(axis=0))
    np.testing.assert_array_equal(chain, departments.sum(axis=0))
    np.testing.assert_array_equal(chain, each.sum(axis=0))
    np.testing.assert_array_equal(stores, each.reshape(3, 3, 4).sum(axis=1))


def test_equal_sales_model_and_horizon_write_nothing_again(
    table: ForecastTable, rows: Rows
) -> None:
    sales = panel()
    table.write(sales, both(sales), NOW)
    before = rows("SELECT * FROM forecasts ORDER BY issue_id, series_id, target")
    assert table.is_issued(sales, "v1", 4)
    assert Written(0, 0) == table.write(sales, both(sales, seed=9), NOW + timedelta(days=1))
    assert before == rows("SELECT * FROM forecasts ORDER BY issue_id, series_id, target")
    assert [(2,)] == rows("SELECT COUNT(*) FROM forecast_issues")


def test_corrected_sales_another_model_or_horizon_issue_anew_and_replace_nothing(
    table: ForecastTable, stored: StoredForecasts, rows: Rows
) -> None:
    sales = panel()
    corrected = replace(sales, y=sales.y + (sales.y == sales.y.max()))
    table.write(sales, both(sales), NOW)
    old = rows("SELECT * FROM forecasts ORDER BY issue_id, series_id, target")
    runs = [(corrected, both(sales, seed=2)), (corrected, both(sales, version="v2", seed=3)),
            (corrected, both(sales, 5, version="v2", seed=4)), (sales, both(sales))]  # fmt: skip
    for given, issues in runs:
        assert 0 < table.write(given, issues, NOW).forecasts
        newest = stored.find(SPEC, {"k1": "1", "k2": "a"}).periods[0].sales
        assert round(issues[0].mean[0, 0], 2) == newest
    assert old == rows(
        "SELECT * FROM forecasts WHERE issue_id < 3 ORDER BY issue_id, series_id, target"
    )


def test_the_newest_origin_that_knows_a_week_answers_as_of_a_day(
    url: str, table: ForecastTable, stored: StoredForecasts
) -> None:
    early, late = panel().until(panel().periods[-2]), panel()
    later = NOW + timedelta(days=7)
    table.write(early, both(early, seed=5), NOW)
    table.write(late, both(late, seed=6), later)
    all_of_it: dict[str, str] = {}
    second = early.after(2)[1].item()

    assert late.last == stored.find(SPEC, all_of_it, second).origin
    assert early.last == stored.find(SPEC, all_of_it, late.last).origin
    assert early.last == stored.find(SPEC, all_of_it, second, NOW.date()).origin
    assert late.last == stored.find(SPEC, all_of_it, second, later.date()).origin
    assert late.last == stored.find(SPEC, all_of_it).origin
    assert early.last == stored.find(SPEC, all_of_it, None, NOW.date()).origin
    assert late.last == stored.find(SPEC, all_of_it, None, date.max).origin
    with pytest.raises(NoForecasts, match=r"by the end of 2026-02-28: the first .* of 2026-03-01"):
        stored.find(SPEC, all_of_it, None, date(2026, 2, 28))
    for outside in (early.last, late.after(5)[-1].item()):
        message = f"week {outside} was not forecast: what was reaches from {late.last} to "
        with pytest.raises(InvalidRequest, match=message + str(late.after(4)[-1])):
            stored.find(SPEC, all_of_it, outside)


def test_before_the_first_batch_the_command_is_named(url: str, stored: StoredForecasts) -> None:
    with pytest.raises(NoForecasts, match=r"forecast yet\. Run `python train\.py forecast`"):
        stored.find(SPEC, {})
    load(url, panel())
    with pytest.raises(NoForecasts, match=r"forecast yet\. Run `python train\.py forecast`"):
        stored.find(SPEC, {})


def test_a_series_without_a_forecast_has_none_and_is_no_part_of_sums(
    table: ForecastTable, stored: StoredForecasts
) -> None:
    sales = panel()
    best, baseline = both(sales)
    best.mean[0] = np.nan
    assert Written(8 * 4 + 9 * 4, 0) == table.write(sales, [best, baseline], NOW)
    with pytest.raises(NoForecasts, match="of these series yet"):
        stored.find(SPEC, {"k1": "1", "k2": "a"})
    expected = round(sum(round(value, 2) for value in best.mean[1:3, 0].tolist()), 2)
    assert expected == stored.find(SPEC, {"k1": "1"}).periods[0].sales


def test_far_steps_of_old_origins_are_thinned_and_counted(
    url: str, table: ForecastTable, stored: StoredForecasts, rows: Rows
) -> None:
    first = panel()
    table.write(first, both(first, 15), NOW)
    for number, thinned in ((26, 0), (27, 2 * 9 * 2), (28, 0)):
        longer = panel(20 + number)
        assert Written(2 * 9 * 15, thinned) == table.write(longer, both(longer, 15), NOW)
    kept = "SELECT COUNT(*), MAX(step), MIN(step) FROM forecasts WHERE issue_id "
    assert [(2 * 9 * 13, 13, 1)] == rows(kept + "< 3")
    assert [(2 * 9 * 45, 15, 1)] == rows(kept + "> 2")
    assert 13 == stored.find(SPEC, {}, first.after(13)[-1].item()).periods[0].step


def test_sqlite_refuses_to_change_what_was_issued(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sales.db"
    sales = panel()
    load(url, sales)
    with closing(ForecastTable(url)) as table:
        table.write(sales, both(sales, 15), NOW)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    for statement in (
        "UPDATE forecasts SET sales = 1",
        "DELETE FROM forecasts",
        "DELETE FROM forecasts WHERE step = 15",
        "INSERT OR REPLACE INTO forecasts SELECT * FROM forecasts",
        "UPDATE forecast_issues SET model = 'x'",
        "DELETE FROM forecast_issues WHERE id = 1",
        "INSERT OR REPLACE INTO forecast_issues SELECT * FROM forecast_issues",
    ):
        with (
            engine.connect() as connection,
            pytest.raises(sa.exc.IntegrityError, match="what was forecast is kept as it was"),
        ):
            connection.exec_driver_sql(statement)
    with engine.connect() as connection:
        assert 2 * 9 * 15 == connection.scalar(sa.text("SELECT COUNT(*) FROM forecasts"))


def test_the_view_has_the_newest_of_the_best_model_by_the_names_of_the_file(
    url: str, table: ForecastTable, rows: Rows
) -> None:
    early, late = panel().until(panel().periods[-2]), panel()
    table.write(early, both(early, seed=5), NOW)
    table.write(late, both(late, seed=6), NOW)
    table.write(late, both(late, seed=7, version="v2"), NOW)
    found = rows(
        "SELECT target, origin, sales, model, model_version, step FROM forecasts_newest"
        ' WHERE "Store" = 10 AND "Dept" = \'b\' ORDER BY target'
        if not url.startswith("mysql")
        else "SELECT target, origin, sales, model, model_version, step FROM forecasts_newest"
        " WHERE Store = 10 AND Dept = 'b' ORDER BY target"
    )
    old, new = (sales_of(9, 4, seed)[8] for seed in (5, 7))
    days = [str(early.after(1)[0]), *late.after(4).astype(str).tolist()]
    origins = [str(early.last), *[str(late.last)] * 4]
    sales = [round(value, 2) for value in (old[0], *new)]
    versions = ["v1", *["v2"] * 4]
    steps = [1, 1, 2, 3, 4]
    assert [
        (day, origin, value, "pooled", version, step)
        for day, origin, value, version, step in zip(
            days, origins, sales, versions, steps, strict=True
        )
    ] == found
    assert [(9 * 5,)] == rows("SELECT COUNT(*) FROM forecasts_newest")


def test_forecasts_of_the_sample_do_not_answer_for_what_replaced_it(
    url: str, stored: StoredForecasts, rows: Rows
) -> None:
    with closing(Database(url)) as database, closing(ForecastTable(url)) as table:
        database.write(sample_rows(), SAMPLE)
        whole = database.read_panel()
        of_sample = replace(issue(sales_of(45, 4)), cautions={})
        table.write(whole, [of_sample, replace(of_sample, role="baseline")], NOW)
        database.write(panel(), "real.csv")
        with pytest.raises(NotReady, match="changed meanwhile"):
            table.write(whole, [replace(of_sample, model_version="v2")], NOW)
        with pytest.raises(NoForecasts, match="of these series yet"):
            stored.find(SPEC, {})
        table.write(panel(), both(panel()), NOW)
    assert panel().last == stored.find(SPEC, {"k1": "1"}).origin
    assert [(9 * 4,)] == rows("SELECT COUNT(*) FROM forecasts_newest")


def test_another_writer_may_issue_first(url: str, table: ForecastTable) -> None:
    sales = panel()
    with closing(ForecastTable(url)) as other:
        other.write(sales, both(sales), NOW)
    assert Written(0, 0) == table.write(sales, both(sales), NOW)


def test_the_tables_have_the_columns_that_are_written_and_read(url: str) -> None:
    load(url, panel())
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        for table in (FORECAST_ISSUES, FORECASTS):
            found = [column["name"] for column in sa.inspect(connection).get_columns(table.name)]
            assert {column.name for column in table.columns} == {*found}


def test_a_database_from_before_the_tables_is_told_the_command_and_gets_them(
    url: str, stored: StoredForecasts
) -> None:
    load(url, panel())
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for gone in ("VIEW forecasts_newest", "TABLE forecasts", "TABLE forecast_issues"):
            connection.exec_driver_sql(f"DROP {gone}")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v0_6_star'")
    with pytest.raises(NoForecasts, match=r"python train\.py forecast"):
        stored.find(SPEC, {})
    with closing(Database(url)) as database, closing(ForecastTable(url)) as table:
        database.migrate()
        assert Written(2 * 9 * 4, 0) == table.write(panel(), both(panel()), NOW)
    assert panel().last == stored.find(SPEC, {}).origin
