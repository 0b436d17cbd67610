"""What a panel says of itself, and how two panels are told apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sales_forecast.data.files.layouts import read_panel
from sales_forecast.data.gaps import gaps
from sales_forecast.data.panel import CONDITIONS, Panel
from sales_forecast.data.rows import STORES
from sales_forecast.data.sample import sample_rows
from sales_forecast.data.spec import Covariate, PanelSpec
from sales_forecast.errors import DataRefused
from sales_forecast.features.conditions import outlook
from sales_forecast.prediction.forecast import chance_of_any
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
    assert spec.layout == (layout if layout != "articles" else "articles.toml")
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


def test_two_series_never_share_a_name(own: Own) -> None:
    one, other = "A,1-2,2024-01-05,9\n", "A-1,2,2024-01-05,8\n"
    assert ("A-1-2",) == own(one).series == own(other).series
    assert (r"A-1\-2", r"A\-1-2") == own(one + other).series
    assert [9.0, 8.0] == own(one + other).y[:, 0].tolist()
    assert (r"A-1\-2", r"A-1\\\-2", r"A\-1-2") == own(
        one + other + one.replace("-", r"\-", 1)
    ).series


def test_articles_007_and_7_are_two(own: Own) -> None:
    panel = own("a,007,2024-01-05,9\na,7,2024-01-05,8\n")
    assert ("a-007", "a-7") == panel.series
    assert ["007", "7"] == panel.keys["article"].tolist()


@pytest.mark.parametrize("holiday", ["", 'holiday = "bank"\n'])
def test_a_holiday_is_what_the_layout_says_and_not_what_is_called_so(
    own: Own, holiday: str
) -> None:
    layout = f'{OWN}conditions = ["Holiday_Flag"]\n{holiday}'
    panel = own("a,1,2024-01-05,9,40,1\n", layout, "shop,article,week,sold,Holiday_Flag,bank")
    assert [40.0] == panel.conditions["Holiday_Flag"][0].tolist()
    assert [float(bool(holiday))] == panel.holidays[0].tolist()
    assert "last known" == outlook(panel, "Holiday_Flag") == outlook(panel, "Temperature")
    assert holiday == "" or "calendar" == outlook(panel, "bank")


def test_what_is_called_open_closes_nothing(own: Own) -> None:
    rows = "a,1,2024-01-05,9,0,1\na,1,2024-01-06,,0,0\na,1,2024-01-07,9,1,1\n"
    header = "shop,article,week,sold,open,trades"
    days = f'{OWN}frequency = "daily"\nknown_in_advance = ["open"]\n'
    for layout, shut in ((days, [False, False]), (days + 'open = "trades"\n', [False, True])):
        panel = own(rows + "a,1,2024-01-08,,0,1\na,1,2024-01-09,,1,0\n", layout, header)
        assert [0.0, 0.0, 1.0, 0.0, 1.0] == panel.plan["open"][0].tolist()
        assert shut == (chance_of_any(panel, 2) == 0)[0].tolist()
        assert bool(gaps(panel)) != any(shut)


@pytest.mark.parametrize("name", ["stores", "departments", "daily"])
def test_a_layout_of_ones_own_is_none_of_ours_whatever_its_file_is_called(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / f"{name}.toml").write_text('series = ["Store"]\ndate = "d"\ntarget = "y"\n')
    (tmp_path / "sales.csv").write_text("Store,d,y\n1,2024-01-05,9\n")
    spec = spec_of(read_panel(tmp_path / "sales.csv", str(tmp_path / f"{name}.toml")))
    assert spec.is_own
    assert spec.layout not in {"stores", "departments", "daily"}


@pytest.mark.parametrize("role", ["series", "conditions", "known_in_advance", "holiday"])
@pytest.mark.parametrize(
    "name", ["model", "Steps", "LEVEL", "week", "as_of", "quantiles", "series"]
)
def test_a_name_that_requests_use_is_refused_with_another(own: Own, role: str, name: str) -> None:
    columns = f'"{name}"' if role == "holiday" else f'["{name}"]'
    keys = "" if role == "series" else 'series = ["shop"]\n'
    layout = f'{keys}{role} = {columns}\ndate = "day"\ntarget = "sold"\n'
    with pytest.raises(DataRefused, match=f"rename it, to 'my_{name}' for example"):
        own("", layout)


@pytest.mark.parametrize("name", ["Sales", "q", "ahead"])
def test_a_name_that_answers_or_pages_use_is_refused_of_keys_alone(own: Own, name: str) -> None:
    with pytest.raises(DataRefused, match=f"column '{name}' has a name that the service uses"):
        own("", f'series = ["{name}"]\ndate = "week"\ntarget = "y"\n')
    layout = 'series = ["shop"]\ndate = "week"\ntarget = "sales"\nconditions = ["lower"]\n'
    assert [7.0] == own("a,2024-01-05,9,7\n", layout, "shop,week,sales,lower").conditions["lower"][
        0
    ]


def test_a_region_may_be_called_NA(own: Own) -> None:  # noqa: N802 - the name is the point
    panel = own("NA,1,2024-01-05,9\n")
    assert ("NA-1",) == panel.series
    assert ["NA"] == panel.keys["shop"].tolist()


def test_equal_sales_are_equal_whatever_is_known_of_their_form() -> None:
    panel = sample_rows().to_panel()
    bare = Panel(panel.y, panel.periods, panel.series, panel.conditions)
    assert bare == panel
    np.testing.assert_array_equal(bare.y, panel.y)


def test_a_covariate_that_is_always_known_is_written_as_before() -> None:
    """A release from before `lead` reads what this one stores."""
    always = Covariate(name="promotion", column="Promo")
    assert {"name": "promotion", "column": "Promo"} == json.loads(always.model_dump_json())
    weather = Covariate(name="weather", column="weather", lead=1)
    assert weather == Covariate.model_validate_json(weather.model_dump_json())
