"""Quantiles, the mean beside them, and how much to order, through the whole application."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import httpx
import numpy as np
import pytest

from sales_forecast.service.app import create_app
from sales_forecast.service.predictor import Predictor
from tests import trained
from tests.fakes import LiveStub
from tests.service.conftest import ask_app, error_of

Ask = Callable[..., httpx.Response]
ORDER = {"store_id": 3, "cost_of_one_too_many": 1, "cost_of_one_too_few": 4}


@cache
def predictor() -> Predictor:
    return Predictor(trained.bundle(), trained.panel())


@pytest.fixture
def ask() -> Ask:
    app = create_app(LiveStub(predictor()))
    return lambda path, body: ask_app(app, "POST", path, body)


def test_quantiles_and_the_mean_stand_beside_the_median(ask: Ask) -> None:
    plain = ask("/forecast_sales", {"store_id": 3, "steps": 4}).json()
    asked = ask("/forecast_sales?quantiles=0.1,0.5,0.9,0.25", {"store_id": 3, "steps": 4}).json()
    for without, beside in zip(plain, asked, strict=True):
        mean, quantiles = beside.pop("mean"), beside.pop("quantiles")
        assert without == beside
        assert ["0.1", "0.5", "0.9", "0.25"] == [*quantiles]
        assert (quantiles["0.1"], quantiles["0.5"], quantiles["0.9"]) == (
            beside["lower"],
            beside["Sales"],
            beside["upper"],
        )
        assert quantiles["0.1"] < quantiles["0.25"] < quantiles["0.5"]
        assert beside["lower"] < mean < beside["upper"]


def test_quantiles_never_cross(ask: Ask) -> None:
    every = [number / 100 for number in range(1, 100)]
    path = f"/forecast_sales?model=best&quantiles={','.join(map(str, every))}"
    for item in ask(path, {"store_id": 12, "steps": 52}).json():
        said = [item["quantiles"][str(quantile)] for quantile in every]
        assert all(low <= high for low, high in pairwise(said))


def test_several_series_have_theirs(ask: Ask) -> None:
    body = {"series": [{"store_id": 3}, {"store_id": 12}], "steps": 1}
    for one in ask("/forecast_sales?quantiles=0.5", body).json():
        (item,) = one["forecast"]
        assert {"0.5": item["Sales"]} == item["quantiles"]


def test_one_answer_holds_no_more_quantiles_than_fit_into_a_small_container(ask: Ask) -> None:
    every = ",".join(str(number / 100) for number in range(1, 100))
    body = {"series": [{"store_id": 3}] * 100, "steps": 52}
    refused = ask(f"/forecast_sales?quantiles={every}", body)
    assert 422 == refused.status_code
    assert error_of(refused)["message"].startswith("100 x 52 x 99 quantiles are 514,800")


@pytest.mark.parametrize("asked", ["", "a", "0.5,", "0", "1", "0.995", "-0.5", "nan", "0.1;0.9"])
def test_what_is_no_quantile_is_refused(ask: Ask, asked: str) -> None:
    answer = ask(f"/forecast_sales?quantiles={asked}", {"store_id": 3, "steps": 1})
    assert 422 == answer.status_code
    assert "quantiles must be numbers from 0.01 to 0.99" in error_of(answer)["message"]


def test_the_quantity_is_the_quantile_of_the_costs(ask: Ask) -> None:
    order = ask("/order_quantity", ORDER | {"step": 2}).json()
    path = "/forecast_sales?model=best&quantiles=0.8"
    item = ask(path, {"store_id": 3, "steps": 2}).json()[1]
    assert (item["quantiles"]["0.8"], item["Sales"], item["Date"], 0.8) == (
        order["quantity"],
        order["forecast"],
        order["Date"],
        order["quantile"],
    )
    assert 0 < order["expected_cost"] < order["expected_cost_of_forecast"]


def test_who_loses_as_much_by_either_orders_the_median(ask: Ask) -> None:
    order = ask("/order_quantity", ORDER | {"cost_of_one_too_few": 1}).json()
    assert order["forecast"] == order["quantity"]
    assert order["expected_cost_of_forecast"] == order["expected_cost"]


def test_no_other_quantity_is_expected_to_cost_less(ask: Ask) -> None:
    every = [number / 100 for number in range(1, 100)]
    path = f"/forecast_sales?model=best&quantiles={','.join(map(str, every))}"
    (item,) = ask(path, {"store_id": 3, "steps": 1}).json()
    sold = np.array([*item["quantiles"].values()])

    def cost(ordered: float) -> float:
        return float(np.where(ordered > sold, ordered - sold, 4 * (sold - ordered)).mean())

    order = ask("/order_quantity", ORDER).json()
    assert pytest.approx(cost(order["quantity"]), abs=0.01) == order["expected_cost"]
    assert min(map(cost, sold)) >= order["expected_cost"] - 0.01


@pytest.mark.parametrize("cost", [0, -1, "1", None, 1e13])
def test_a_cost_that_makes_no_sense_is_refused_by_its_name(ask: Ask, cost: object) -> None:
    answer = ask("/order_quantity", ORDER | {"cost_of_one_too_many": cost})
    assert 422 == answer.status_code
    assert ["cost_of_one_too_many"] == [*error_of(answer)["fields"]]


def test_costs_far_apart_ask_for_no_more_than_was_measured(ask: Ask) -> None:
    assert 0.99 == ask("/order_quantity", ORDER | {"cost_of_one_too_few": 1e6}).json()["quantile"]


def test_where_nothing_was_measured_there_is_no_quantity() -> None:
    from sales_forecast.bundles.fallback import growth_bundle  # noqa: PLC0415

    panel = trained.panel()
    app = create_app(LiveStub(Predictor(growth_bundle(panel, "None."), panel)))
    answer = ask_app(app, "POST", "/order_quantity", ORDER)
    assert 422 == answer.status_code
    assert "Too little was measured" in error_of(answer)["message"]
    (item,) = ask_app(
        app, "POST", "/forecast_sales?quantiles=0.1,0.5", {"store_id": 3, "steps": 1}
    ).json()
    assert {"0.1": None, "0.5": item["Sales"]} == item["quantiles"]
