"""What a panel says of itself, and how two panels are told apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sales_forecast.data.files.layouts import read_panel
from sales_forecast.data.panel import CONDITIONS, Panel
from sales_forecast.data.rows import STORES
from sales_forecast.data.sample import sample_rows
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import DataRefused
from tests.builders import LAYOUT_NAMES, panel_of_layout

OWN = 'series = ["shop", "article"]\ndate = "week"\ntarget = "sold"\n'
Own = Callable[..., Panel]


@pytest.fixture
def own(tmp_path: Path) -> Own:
    """Read rows of shop, article, week and sold as a layout of one's own."""

    def read(rows: str, layout: str = OWN, header: str = "shop,article,week,sold") -> Panel:
        (tmp_path / "my.toml").write_text(layout)
        (tmp_path / "sales.csv").write_text(f"{header}\n{rows}")
        return read_panel(tmp_path / "sales.csv", str(tmp_path / "my.toml"))

    return read


def spec_of(panel: Panel) -> PanelSpec:
    assert panel.spec is not None
    return panel.spec


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_a_spec_names_all_that_its_panel_has(layout: str, tmp_path: Path) -> None:
    panel = panel_of_layout(layout, tmp_path)
    spec = spec_of(panel)
    assert layout == spec.layout
    assert [of.name for of in spec.future] == [*panel.plan]
    assert {of.name for of in spec.past} == {*panel.conditions}
    assert [of.name for of in spec.static] == [*panel.traits]
    assert [key.column for key in spec.keys] == [*panel.keys]
    assert panel.frequency.unit == spec.frequency.unit
    assert panel.pooled_by == spec.pool


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_a_spec_survives_being_json(layout: str, tmp_path: Path) -> None:
    spec = spec_of(panel_of_layout(layout, tmp_path))
    assert spec == PanelSpec.model_validate_json(spec.model_dump_json())


def test_the_sample_is_of_stores_and_all_five_conditions_are_required() -> None:
    panel = sample_rows().to_panel()
    assert STORES == panel.spec
    assert CONDITIONS == STORES.required
    assert list(range(1, 46)) == panel.keys["Store"].tolist()


def test_departments_say_their_keys_their_fields_and_their_labels(tmp_path: Path) -> None:
    spec = spec_of(panel_of_layout("departments", tmp_path))
    assert [("Store", "store_id"), ("Dept", "dept_id")] == [(k.column, k.field) for k in spec.keys]
    assert {"department": ("10", "2"), "type": ("A", "B")} == {
        of.name: of.vocabulary for of in spec.static if of.kind == "label"
    }
    assert "IsHoliday" == next(of.column for of in spec.past if of.name == spec.holiday)
    assert () == spec.required


def test_keys_go_along_with_the_series_that_are_chosen(tmp_path: Path) -> None:
    panel = panel_of_layout("departments", tmp_path)
    assert [1, 1, 12] == panel.keys["Store"].tolist()
    chosen = panel.select(["12-2", "1-10"]).until(panel.first)
    assert ([12, 1], [2, 10]) == (chosen.keys["Store"].tolist(), chosen.keys["Dept"].tolist())
    assert panel.spec == chosen.spec
    pools = {label: pool.keys["Store"].tolist() for label, _, pool in panel.pools()}
    assert {"10": [1], "2": [1, 12]} == pools


def test_specs_that_differ_are_told_apart_in_words_that_name_both(tmp_path: Path) -> None:
    departments = spec_of(panel_of_layout("departments", tmp_path))
    assert () == STORES.differences(STORES)
    differences = STORES.differences(departments)
    assert "keys Store (numbers) against Store (numbers), Dept (numbers)" in differences
    assert "pool none against department" in differences
    assert not any(what.startswith("frequency") for what in differences)


def test_a_layout_of_another_name_that_says_the_same_fits(own: Own) -> None:
    spec = spec_of(own("a,1,2024-01-05,9\n"))
    assert () == spec.differences(spec.model_copy(update={"layout": "renamed"}))


def test_new_labels_come_after_those_that_are_known(own: Own) -> None:
    first = spec_of(own("b,1,2024-01-05,9\nd,1,2024-01-05,9\n"))
    later = spec_of(own("a,1,2024-01-05,9\nd,1,2024-01-05,9\n"))
    assert ("b", "d", "a") == first.extended(later).static[0].vocabulary
    assert () == first.differences(later)


def test_a_file_of_numbers_alone_fits_keys_that_are_texts(own: Own) -> None:
    texts = spec_of(own("a,007,2024-01-05,9\na,7,2024-01-05,9\n"))
    numbers = spec_of(own("a,7,2024-01-05,9\n"))
    assert "text" == texts.keys[1].kind
    assert "number" == numbers.keys[1].kind
    assert () == texts.differences(numbers.read_as(texts))
    assert numbers.differences(texts.read_as(numbers))


def test_two_series_of_one_name_are_refused_and_named(own: Own) -> None:
    rows = "a-b,c,2024-01-05,9\na,b-c,2024-01-05,9\n"
    with pytest.raises(DataRefused, match=r"\('a', 'b-c'\) and \('a-b', 'c'\) would both be the"):
        own(rows)


def test_articles_007_and_7_are_two(own: Own) -> None:
    panel = own("a,007,2024-01-05,9\na,7,2024-01-05,8\n")
    assert ("a-007", "a-7") == panel.series
    assert ["007", "7"] == panel.keys["article"].tolist()


def test_one_name_for_two_columns_is_refused(own: Own) -> None:
    layout = f'{OWN}conditions = ["Holiday_Flag"]\nholiday = "bank"\n'
    with pytest.raises(DataRefused, match="with column 'bank', 'Holiday_Flag' is no name of anoth"):
        own("a,1,2024-01-05,9,1,0\n", layout, "shop,article,week,sold,Holiday_Flag,bank")


def test_equal_sales_are_equal_whatever_is_known_of_their_form() -> None:
    panel = sample_rows().to_panel()
    bare = Panel(panel.y, panel.periods, panel.series, panel.conditions)
    assert bare == panel
    np.testing.assert_array_equal(bare.y, panel.y)
