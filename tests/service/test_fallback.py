"""A bundle of an earlier release is answered for by the growth baseline, and says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.types import ASGIApp

from sales_forecast.bundles.bundle import ARRAYS, MANIFEST, ORIGIN, seal
from sales_forecast.bundles.fallback import growth_bundle, load_for
from sales_forecast.bundles.manifest import Manifest, Origin
from sales_forecast.bundles.writing import write_bundle
from sales_forecast.data.admission import SAMPLE
from sales_forecast.data.database import Database
from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.errors import BundleRefused
from sales_forecast.models.naive import GROWTH
from sales_forecast.service.app import create_app
from sales_forecast.service.live import Live
from sales_forecast.settings import Settings
from sales_forecast.training.challenger import baseline_challenger
from tests.builders import sample_panel
from tests.service.conftest import FORECAST, PREDICT, ask_app

SAYS = (
    "The bundle 2012-10-26-7ac8d427 was written by an earlier release (format 4, this one writes "
    "6). Run `python train.py`. Until then the growth baseline answers: sales of the same period "
    "a year before, times the growth of the last 8 weeks; where that period is not known, what was "
    "sold last."
)


def older(folder: Path) -> Path:
    """What is left of a bundle of release 0.6, as far as it can be read."""
    folder.mkdir()
    manifest = {"format": 4, "version": "2012-10-26-7ac8d427", "kind": "models"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ASGIApp]:
    folder = tmp_path_factory.mktemp("deployment")
    settings = Settings(
        database_url=f"sqlite:///{folder}/sales.db", model_uri=str(older(folder / "champion"))
    )
    Database(settings.database_url).write(sample_rows(), SAMPLE)
    with Live.from_settings(settings) as live:
        live.wait(60)
        yield create_app(live)


@pytest.fixture(scope="module")
def whole() -> Panel:
    return sample_rows().to_panel()


def test_it_is_ready(app: ASGIApp) -> None:
    response = ask_app(app, "GET", "/ready")
    assert 200 == response.status_code
    assert ("2012-10-26-baseline", None) == (
        response.json()["model_version"],
        response.json()["refused"],
    )


def test_a_prediction_is_that_of_the_baseline_and_says_why(app: ASGIApp, whole: Panel) -> None:
    response = ask_app(app, "POST", "/predict_sales", PREDICT)
    assert 200 == response.status_code
    answer = response.json()
    expected = GROWTH.predict(whole, 2)[whole.positions["1"], 1]
    assert round(float(expected), 2) == answer["prediction"]
    assert [SAYS] == answer["warnings"]
    assert (None, None) == (answer["interval_80"], answer["interval_95"])
    assert {"random_forest": None, "xgboost": None} == answer["models"]


@pytest.mark.parametrize("query", ["", "?model=best", "?level=95"])
def test_a_forecast_is_that_of_the_baseline_and_says_why(
    app: ASGIApp, whole: Panel, query: str
) -> None:
    response = ask_app(app, "POST", f"/forecast_sales{query}", FORECAST)
    assert 200 == response.status_code
    expected = GROWTH.predict(whole, 5)[whole.positions["1"]]
    assert expected.round(2).tolist() == [week["Sales"] for week in response.json()]
    assert {(None, None)} == {(week["lower"], week["upper"]) for week in response.json()}
    assert [SAYS] == json.loads(response.headers["X-Warnings"])
    assert "seasonal_naive_growth" == response.headers["X-Model"]


def test_the_model_says_what_answers_and_why(app: ASGIApp) -> None:
    told = ask_app(app, "GET", "/model").json()
    assert ("baseline", [SAYS], {}) == (told["kind"], told["warnings"], told["scores"])
    assert {"seasonal_naive_growth"} == set(told["answered_by"].values())


def test_a_damaged_bundle_is_no_older_one(tmp_path: Path) -> None:
    folder = older(tmp_path / "bundle")
    for content in ('{"format": 6}', '{"format": 7}', '{"format": "4"}', "{}", "[4]"):
        (folder / "manifest.json").write_text(content)
        with pytest.raises(BundleRefused):
            load_for(sample_panel(2), folder)


Change = Callable[[Mapping[str, object]], Mapping[str, object]]


def of_other_code(panel: Panel, into: Path, change: Change) -> Path:
    """Write a sound bundle with a state that no code of this release wrote; return its folder."""
    files = dict(baseline_challenger(panel, SAMPLE, {}, "").sealed.files)
    manifest = Manifest.model_validate_json(files.pop(MANIFEST))
    origin = Origin.model_validate_json(files.pop(ORIGIN))
    things = (change(manifest.things[0]), *manifest.things[1:])
    return write_bundle(into, seal(manifest.model_copy(update={"things": things}), origin, files))


@pytest.mark.parametrize(
    "change",
    [
        lambda _: {"kind": "baseline", "named": GROWTH.name},
        lambda of: {**of, "rule": "of a later release"},
        lambda of: {**of, "kind": "of a later release"},
    ],
)
def test_a_state_that_this_release_cannot_restore_is_answered_for_and_told_with_the_remedy(
    tmp_path: Path, change: Change
) -> None:
    panel = sample_panel(3)
    folder = of_other_code(panel, tmp_path, change)

    bundle = load_for(panel, folder)
    assert "baseline" == bundle.manifest.kind
    assert "Run `python train.py`. Until then the growth baseline answers" in bundle.manifest.note

    (folder / ARRAYS).write_bytes(b"damaged")
    with pytest.raises(BundleRefused, match="damaged"):
        load_for(panel, folder)


def test_what_answers_does_not_give_way_to_a_bundle_of_another_release(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/sales.db")
    database.write(sample_rows(), SAMPLE)
    panel, link = database.read_panel(), tmp_path / "champion"
    good = baseline_challenger(panel, SAMPLE, {}, "").sealed
    link.symlink_to(write_bundle(tmp_path, good))
    other = of_other_code(panel, tmp_path, lambda of: {**of, "rule": "of a later release"})
    settings = Settings(database_url=f"sqlite:///{tmp_path}/sales.db", model_uri=str(link))
    live = Live.from_settings(settings)
    live.refresh()
    for folder in (other, older(tmp_path / "older")):
        link.unlink()
        link.symlink_to(folder)
        live.refresh()
        assert good.version == live.predictor.version
        assert live.problem is not None
        assert live.problem.message.endswith("Run `python train.py`.")


def test_the_baseline_of_a_panel_answers_for_all_of_its_series() -> None:
    panel = sample_panel(3)
    bundle = growth_bundle(panel, "Because.")
    assert panel.series == bundle.manifest.training.series
    assert bundle.manifest.note.startswith("Because. Until then the growth baseline answers: ")
    assert {} == bundle.spreads
    np.testing.assert_array_equal(
        GROWTH.predict(panel, 60), bundle.models["seasonal_naive_growth"].predict(panel, 60)
    )


def trained_on(panel: Panel, source: str, folder: Path) -> Path:
    return write_bundle(folder, baseline_challenger(panel, source, {}, "").sealed)


DICE = np.random.default_rng(5).random((45, 143))
"""Of each cell of the sample, whether it is among a share of all."""


def corrected(share: float, by: float) -> Callable[[Array], Array]:
    return lambda y: np.where(DICE < share, y * by, y)


@pytest.mark.parametrize(
    ("changed", "others"),
    [
        (lambda y: y, None),
        (lambda y: y * 1.009, None),
        (lambda y: y * 1.011, "4,096 are here, and 4,096 differ"),
        (lambda y: y[::-1], "4,096 are here, and 3,9"),  # another chain, its stores numbered alike
        (corrected(0.05, 1.3), None),
        (corrected(0.2, 1.3), "4,096 are here, and "),
        (corrected(0.05, np.nan), None),
        (corrected(0.2, np.nan), "3,2"),
    ],
)
@pytest.mark.parametrize("source", [SAMPLE, "sales.csv"])
def test_a_model_answers_for_the_sales_that_it_was_trained_on_and_for_no_others(
    changed: Callable[[Array], Array], others: str | None, source: str, tmp_path: Path, whole: Panel
) -> None:
    folder = trained_on(whole, source, tmp_path)
    bundle = load_for(replace(whole, y=changed(whole.y)), folder)
    note = bundle.manifest.note
    assert (others is None) == (bundle.version == folder.name) == (note == "")
    if others is not None:
        on = f"other sales: of 4,096 of them {others}"
        assert f"was trained on {'the generated sample' if source == SAMPLE else on}" in note
        assert "Run `python train.py`. Until then the growth baseline answers" in note


@pytest.mark.parametrize(("kept", "serves"), [(45, True), (41, True), (40, False), (0, False)])
def test_a_model_of_other_series_does_not_answer(
    kept: int, serves: bool, tmp_path: Path, whole: Panel
) -> None:
    folder = trained_on(whole, "sales.csv", tmp_path)
    names = [name if row < kept else f"{row + 1000}" for row, name in enumerate(whole.series)]
    bundle = load_for(replace(whole, series=tuple(names)), folder)
    assert serves == (bundle.version == folder.name)


@pytest.mark.parametrize(("first", "serves"), [(10, True), (20, False)])
def test_a_model_does_not_answer_for_the_rest_of_its_sales(
    first: int, serves: bool, tmp_path: Path, whole: Panel
) -> None:
    rest = replace(
        whole,
        y=whole.y[:, first:],
        periods=whole.periods[first:],
        conditions={name: values[:, first:] for name, values in whole.conditions.items()},
    )
    bundle = load_for(rest, trained_on(whole, "sales.csv", tmp_path))
    assert serves == (bundle.manifest.note == "")


def test_newer_weeks_and_stores_are_answered_for(tmp_path: Path, whole: Panel) -> None:
    past = whole.select(whole.series[:5]).until(whole.periods[-30])
    folder = trained_on(past, "sales.csv", tmp_path)
    assert folder.name == load_for(whole, folder).version


def test_a_model_that_saw_later_sales_answers_and_says_so(tmp_path: Path, whole: Panel) -> None:
    folder = trained_on(whole, "sales.csv", tmp_path)
    bundle = load_for(whole.until(whole.periods[-30]), folder)
    assert folder.name == bundle.version
    assert (
        f"The model {folder.name} was trained on sales until 2012-10-26, and the database's end "
        "with 2012-04-06: load the newer ones (`python database_loader.py`)."
    ) == bundle.manifest.note
    later = replace(whole, periods=whole.periods - np.timedelta64(7 * 200, "D"))
    assert "of 4,096 of them 0 are here." in load_for(later, folder).manifest.note


def test_sales_that_are_corrected_while_it_runs_are_judged_anew(
    tmp_path: Path, whole: Panel
) -> None:
    settings = Settings(
        database_url=f"sqlite:///{tmp_path}/sales.db",
        model_uri=str(trained_on(whole, "sales.csv", tmp_path)),
    )
    database = Database(settings.database_url)
    live = Live.from_settings(settings)
    said = []
    for share in (0.0, 0.05, 0.2, 0.0):
        database.write(replace(whole, y=corrected(share, 1.3)(whole.y)), "sales.csv")
        live.refresh()
        response = ask_app(create_app(live), "GET", "/ready")
        assert 200 == response.status_code
        said.append("trained on other sales" in response.json().get("warning", ""))
    assert [False, False, True, False] == said


def test_ready_says_what_every_answer_says(app: ASGIApp) -> None:
    assert SAYS == ask_app(app, "GET", "/ready").json()["warning"]
