"""Any panel in a database: read back as it was written, loaded again, corrected, extended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from sales_forecast.data.admission import SAMPLE
from sales_forecast.data.database import Database, LoadReport
from sales_forecast.data.files.layouts import read_panel
from sales_forecast.data.panel import Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.data.spec import PanelSpec
from sales_forecast.data.views import unique
from sales_forecast.errors import DataRefused
from tests.builders import LAYOUT_NAMES, panel_of_layout


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(Database(url)) as opened:
        yield opened


@pytest.fixture
def rows(url: str) -> Callable[[str], list[tuple[Any, ...]]]:
    """Ask the database itself; days are texts."""

    def ask(query: str) -> list[tuple[Any, ...]]:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            found = connection.execute(sa.text(query)).all()
        return [tuple(_plain(cell) for cell in row) for row in found]

    return ask


Rows = Callable[[str], list[tuple[Any, ...]]]


def _plain(cell: object) -> object:
    return cell if cell is None or isinstance(cell, int | float | str) else str(cell)


def assert_same(expected: Panel, found: Panel) -> None:
    """Also what equality leaves out: the order of names, keys, the spec."""
    assert expected == found
    assert expected.spec == found.spec
    assert expected.series == found.series
    assert (expected.pooled_by, expected.frequency) == (found.pooled_by, found.frequency)
    for of in ("plan", "conditions", "traits", "keys"):
        mine, theirs = getattr(expected, of), getattr(found, of)
        assert set(mine) == set(theirs), of
        for name, values in mine.items():
            np.testing.assert_array_equal(values, theirs[name], err_msg=f"{of} {name}")
            assert values.dtype.kind == theirs[name].dtype.kind, name
    np.testing.assert_array_equal(expected.y, found.y)


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_a_panel_of_any_layout_is_read_back_as_it_was_written(
    layout: str, database: Database, tmp_path: Path
) -> None:
    panel = panel_of_layout(layout, tmp_path)
    report = database.write(panel, "a.csv")

    assert report.inserted > 0
    assert_same(panel, database.read_panel())
    before = database.version()
    assert LoadReport(0, 0, report.inserted) == database.write(panel, "again.csv")
    assert before == database.version()


def test_the_sample_gives_way_to_the_first_file_of_any_layout(
    database: Database, tmp_path: Path
) -> None:
    database.write(sample_rows(), SAMPLE)
    for_all = panel_of_layout("articles", tmp_path)
    report = database.write(for_all, "a.csv")
    assert (6435, 6) == (report.sample_rows_removed, report.inserted)
    assert_same(for_all, database.read_panel())


def test_another_layout_is_refused_with_both_named(database: Database, tmp_path: Path) -> None:
    stores, departments = (panel_of_layout(of, tmp_path) for of in ("stores", "departments"))
    database.write(stores, "a.csv")
    with pytest.raises(DataRefused) as refusal:
        database.write(departments, "folder")
    assert refusal.value.message.startswith(
        "folder: this is layout departments, and the database holds layout stores from a.csv:"
        " keys Store (numbers) against Store (numbers), Dept (numbers); "
    )
    assert refusal.value.message.endswith("; name another database in DATABASE_URL")
    assert_same(stores, database.read_panel())


def test_what_a_later_file_does_not_know_stays(database: Database, tmp_path: Path) -> None:
    panel = panel_of_layout("departments", tmp_path)
    database.write(panel, "a")
    some = panel.select(["12-2"])
    unknown = replace(
        some,
        y=np.array([[np.nan, 305.0, 310.0]]),
        conditions={name: np.full_like(of, np.nan) for name, of in some.conditions.items()},
    )
    assert LoadReport(1, 0, 2) == database.write(unknown, "b")
    found = database.read_panel()
    np.testing.assert_array_equal([[300.0, 305.0, 310.0]], found.select(["12-2"]).y)
    np.testing.assert_array_equal(panel.conditions["CPI"], found.conditions["CPI"])


def test_what_a_correction_overwrites_is_kept(
    database: Database, rows: Rows, tmp_path: Path
) -> None:
    panel = panel_of_layout("departments", tmp_path)
    database.write(panel, "a")
    assert [] == rows("SELECT * FROM fact_changes")
    y = panel.y.copy()
    y[0, 1] = -5.0
    rain = panel.conditions["Temperature"].copy()
    rain[0, 1] = 99.0
    corrected = replace(panel, y=y, conditions={**panel.conditions, "Temperature": rain})

    assert LoadReport(0, 1, 8) == database.write(corrected, "b")
    assert_same(corrected, database.read_panel())
    assert [
        (1, "2010-02-12", "Temperature", 38.5, 99.0, "b"),
        (1, "2010-02-12", "Weekly_Sales", -4.25, -5.0, "b"),
    ] == rows(
        "SELECT series_id, period, column_name, old_value, new_value, source FROM fact_changes"
        " JOIN loads ON loads.id = load_id ORDER BY column_name"
    )


def test_a_series_that_is_told_otherwise_is_corrected_and_new_labels_are_known(
    database: Database, rows: Rows, tmp_path: Path
) -> None:
    panel = panel_of_layout("departments", tmp_path)
    database.write(panel, "a")
    kinds = {**panel.traits, "type": np.array(["A", "A", "0"]), "size": np.full(3, 7.5)}
    database.write(replace(panel, traits=kinds), "b")

    found = database.read_panel()
    assert ["A", "A", "0"] == found.traits["type"].tolist()
    assert found.spec is not None
    assert ("A", "B", "0") == found.spec.static[2].vocabulary
    assert [(3, "Type", None, "B", "0"), (3, "Size", 112238.5, None, None)] == rows(
        "SELECT series_id, column_name, old_value, old_label, new_label FROM fact_changes"
        " WHERE series_id = 3 ORDER BY id"
    )


def test_sales_of_days_that_were_planned_are_new_and_no_correction(
    database: Database, rows: Rows, tmp_path: Path
) -> None:
    whole = panel_of_layout("daily", tmp_path)
    past = replace(whole.until(whole.periods[-8]))
    database.write(past, "a")
    assert_same(past, database.read_panel())
    new = int((~np.isnan(whole.y[:, -7:])).sum())
    report = database.write(whole, "b")
    assert (new, 0) == (report.inserted, report.corrected)
    assert_same(whole, database.read_panel())
    assert [] == rows("SELECT * FROM fact_changes")


def test_a_day_that_turns_out_to_be_closed_loses_its_sales(
    database: Database, rows: Rows, tmp_path: Path
) -> None:
    panel = panel_of_layout("daily", tmp_path)
    database.write(panel, "a")
    opened, y = panel.plan["open"].copy(), panel.y.copy()
    opened[1, 0], y[1, 0] = 0.0, np.nan
    closed = replace(panel, y=y, plan={**panel.plan, "open": opened})
    assert 1 == database.write(closed, "b").corrected
    assert_same(closed, database.read_panel())
    assert [("Open", 1.0, 0.0), ("Sales", panel.y[1, 0], None)] == rows(
        "SELECT column_name, old_value, new_value FROM fact_changes ORDER BY column_name"
    )
    assert 0 == database.write(closed, "c").corrected


def own(folder: Path, sold: str) -> Panel:
    (folder / "my.toml").write_text(
        'series = ["shop", "article"]\ndate = "week"\ntarget = "sold"\ntraits = ["size"]\n'
    )
    (folder / "sales.csv").write_text(f"shop,article,week,sold,size\n{sold}")
    return read_panel(folder / "sales.csv", str(folder / "my.toml"))


def test_a_series_without_keys_is_stored_and_read_back(database: Database, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text('date = "week"\ntarget = "sold"\nconditions = ["rain"]\n')
    (tmp_path / "sales.csv").write_text("week,sold,rain\n2024-01-05,1,3\n2024-01-12,2,\n")
    panel = read_panel(tmp_path / "sales.csv", str(tmp_path / "my.toml"))
    assert (2, 0) == (database.write(panel, "a").inserted, database.write(panel, "a").inserted)
    found = database.read_panel()
    assert panel == found
    assert (("all",), {}, panel.spec) == (found.series, found.keys, found.spec)


def test_later_files_of_ones_own_bring_series_labels_and_decimals(
    database: Database, tmp_path: Path
) -> None:
    database.write(own(tmp_path, "b,007,2024-01-05,1,3\nb,7,2024-01-05,2,4\n"), "a")
    database.write(own(tmp_path, "a,8,2024-01-12,3,5.5\nb,7,2024-01-12,4,4.0\n"), "b")
    found = database.read_panel()
    assert ("a-8", "b-007", "b-7") == found.series
    np.testing.assert_array_equal([[np.nan, 3], [1, np.nan], [2, 4]], found.y)
    assert [5.5, 3.0, 4.0] == found.traits["size"].tolist()
    assert found.spec is not None
    assert ("b", "a") == found.spec.static[0].vocabulary
    assert ("007", "7", "8") == found.spec.static[1].vocabulary


def test_numbers_do_not_become_texts(database: Database, tmp_path: Path) -> None:
    database.write(own(tmp_path, "b,7,2024-01-05,1,3\n"), "a")
    with pytest.raises(DataRefused, match=r"article \(numbers\) against .*article \(texts\)"):
        database.write(own(tmp_path, "b,007,2024-01-05,1,3\n"), "b")


def test_two_series_never_share_a_name_in_whatever_order_they_come(
    database: Database, rows: Rows, tmp_path: Path
) -> None:
    database.write(own(tmp_path, "a-b,c,2024-01-05,1,3\n"), "a")
    assert [("a-b-c",)] == rows("SELECT name FROM dim_series")
    database.write(own(tmp_path, "a,b-c,2024-01-05,2,3\n"), "b")
    expected = [(r"a\-b-c",), (r"a-b\-c",)]
    assert expected == rows("SELECT name FROM dim_series ORDER BY id")
    panel = database.read_panel()
    assert {r"a\-b-c": 1.0, r"a-b\-c": 2.0} == dict(zip(panel.series, panel.y[:, 0], strict=True))


def test_the_view_has_the_names_of_the_file(database: Database, rows: Rows, tmp_path: Path) -> None:
    database.write(panel_of_layout("articles", tmp_path), "a")
    (first, *_) = rows("SELECT * FROM vw_sales_analytics WHERE revenue = 12")
    assert ("north", "007", "x", 1.0, 70.5, "2024-01-12", 12.0, 1.0, None, None, 1.0, 0.0) == first
    ((names,),) = rows(
        "SELECT COUNT(*) FROM vw_sales_analytics WHERE shop <> 'east' AND rain = 1.5"
    )
    assert 1 == names


def test_names_that_no_server_takes_are_cut_and_told_apart() -> None:
    long = "ä" * 60
    assert ["Promo", "promo_2", "PROMO_3"] == unique(["Promo", "promo", "PROMO"])
    first, second = unique([long, long + "b"])
    assert ("ä" * 31, "ä" * 30 + "_2") == (first, second)
    assert ["a", "_"] == unique(["a  ", " "])


def test_a_column_may_be_called_anything(database: Database, tmp_path: Path, rows: Rows) -> None:
    names = [
        "select",
        'quo"te',
        "back`tick",
        "100%",
        "%(a)s",
        "x" * 99,
        "колонка 🙂",
        "where ",
        ":a",
    ]
    (tmp_path / "my.toml").write_text(
        'series = ["order"]\ndate = "date"\ntarget = "group"\n'
        f"conditions = {[name.strip() for name in names]}".replace("'quo\"te'", "'quo\"te'")
    )
    header = ",".join(
        '"' + name.replace('"', '""') + '"' for name in ["order", "date", "group", *names]
    )
    cells = ",".join(str(number) for number in range(len(names)))
    (tmp_path / "sales.csv").write_text(f"{header}\na,2024-01-05,7,{cells}\n")
    panel = read_panel(tmp_path / "sales.csv", str(tmp_path / "my.toml"))
    database.write(panel, "a")
    assert_same(panel, database.read_panel())
    assert [("a", "2024-01-05", 7.0, *range(len(names)))] == rows(
        "SELECT * FROM vw_sales_analytics"
    )
    assert 0 == database.write(panel, "b").corrected


def test_weekly_stores_are_a_view_with_the_columns_of_release_0_5(
    database: Database, rows: Rows, tmp_path: Path
) -> None:
    panel = panel_of_layout("stores", tmp_path)
    database.write(panel, "a")
    (first, *others) = rows(
        "SELECT store, week, sales, holiday_flag, temperature, fuel_price, cpi, unemployment"
        " FROM weekly_sales ORDER BY store, week"
    )
    expected = (panel.y[0, 0], *(of[0, 0] for of in panel.conditions.values()))
    assert (1, "2010-02-05", *expected) == first
    assert 35 == len(others)


def test_a_spec_is_stored_as_json_that_anyone_can_read(
    database: Database, rows: Rows, tmp_path: Path
) -> None:
    panel = panel_of_layout("daily", tmp_path)
    database.write(panel, "a")
    ((text,),) = rows("SELECT spec FROM panel_spec")
    assert panel.spec == PanelSpec.model_validate_json(text)


@pytest.mark.parametrize(("layout", "every"), [("stores", 1), ("departments", 4), ("daily", 8)])
def test_real_files_are_read_back_as_they_are(
    layout: str, every: int, tmp_path: Path, real_panel: Callable[[str], Panel]
) -> None:
    """All stores; of departments and days, which are many, every fourth and eighth series."""
    panel = real_panel(layout)
    panel = panel.select(panel.series[::every])
    with closing(Database(f"sqlite:///{tmp_path}/sales.db")) as database:
        report = database.write(panel, layout)
        assert_same(panel, database.read_panel())
        assert LoadReport(0, 0, report.inserted) == database.write(panel, "again")
