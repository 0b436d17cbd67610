"""Overrides over HTTP: who may, what is told at the moment, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sales_forecast.data.database import Database
from sales_forecast.service.api_keys import ApiKeys, new_entry
from sales_forecast.service.app import create_app
from sales_forecast.service.plan_schemas import (
    ForecastChange,
    ForecastValueAdded,
    MadeOverride,
    MadeUndo,
    OverridesPage,
)
from tests.service.conftest import ask_app, error_of
from tests.service.test_stored_forecasts import Deployment
from tests.two_keys import panel

Ask = Callable[..., httpx.Response]
ROLES = {"ada": "planner", "bob": "planner", "vera": "viewer", "carl": "admin"}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Deployment, dict[str, str]]:
    folder = tmp_path_factory.mktemp("plans")
    deployment = Deployment(folder, panel(120))
    deployment.issue()
    entries = {name: new_entry(name, role) for name, role in ROLES.items()}
    file = folder / "keys.toml"
    file.write_text("\n".join(lines for _, lines in entries.values()))
    deployment.live.keys = ApiKeys(None, file)
    deployment.app = create_app(deployment.live)
    return deployment, {name: key for name, (key, _) in entries.items()}


@pytest.fixture
def ask(deployed: tuple[Deployment, dict[str, str]]) -> Ask:
    deployment, keys = deployed

    def send(name: str, method: str, path: str, body: object = None) -> httpx.Response:
        return ask_app(deployment.app, method, path, body, headers={"X-API-Key": keys[name]})

    return send


@pytest.fixture
def change(ask: Ask, deployed: tuple[Deployment, Any]) -> Callable[..., httpx.Response]:
    def send(name: str = "ada", **others: object) -> httpx.Response:
        body = {
            "keys": {"store_id": 1},
            "first": str(deployed[0].sales.last + timedelta(weeks=2)),
            "kind": "percent",
            "number": 5,
            "reason": "promotion",
            "note": "leaflet",
            "version": ask("ada", "GET", "/overrides").json()["version"],
        }
        return ask(name, "POST", "/overrides", body | others)

    return send


def test_a_change_is_told_back_beside_the_interval_and_what_is_known_of_such(
    ask: Ask, change: Callable[..., httpx.Response]
) -> None:
    before = ask("vera", "GET", "/forecast?store_id=1").json()[1]
    response = change()
    made = response.json()
    assert 201 == response.status_code, made
    MadeOverride.model_validate(made)
    (period,) = made["periods"]
    planned = before["sales"] + round(before["sales"] * 5) / 100
    assert (before["planned"], round(planned, 2)) == (period["before"], period["planned"])
    assert (before["lower"], before["upper"]) == (period["lower_80"], period["upper_80"])
    assert period["inside_80"] is (before["lower"] <= planned <= before["upper"])
    assert {"n": 0, "helped": 0, "value_added": 0.0} == made["record"]["reason"]
    assert "small changes upwards" in made["advice"][-1]
    assert ("ada", {"store_id": 1}, "2012-06-01") == (made["made_by"], made["keys"], made["last"])
    after = ask("vera", "GET", "/forecast?store_id=1").json()[1]
    assert (before["sales"], period["planned"]) == (after["sales"], after["planned"])
    assert made["version"] == after["version"] != before["version"]

    far = change(kind="value", number=1, last="2012-06-08", version=made["version"]).json()
    assert far["advice"][0].startswith("In 2 of 2 weeks the plan lies outside")
    page = ask("vera", "GET", "/overrides?store_id=1&active=true&by=ada&reason=promotion").json()
    OverridesPage.model_validate(page)
    assert [far["id"]] == [of["id"] for of in page["items"]]
    path = f"/overrides/{far['id']}?version={page['version']}"
    undone = ask("bob", "DELETE", path)
    assert 200 == undone.status_code
    MadeUndo.model_validate(undone.json())
    assert after["planned"] == ask("vera", "GET", "/forecast?store_id=1").json()[1]["planned"]
    again = ask("ada", "DELETE", path)
    assert (409, "changed_meanwhile") == (again.status_code, error_of(again)["code"])
    assert "bob" == error_of(again)["fields"]["by"]
    (item, _) = ask("vera", "GET", "/overrides?limit=2").json()["items"]
    assert ("bob", []) == (item["undone"]["made_by"], item["periods"])


def test_two_people_on_the_same_cells_the_second_is_told(
    change: Callable[..., httpx.Response],
) -> None:
    version = change("ada", keys={}, kind="units").json()["version"]
    assert 201 == change("ada", keys={"dept_id": "A"}, version=version).status_code
    second = change("bob", keys={"store_id": 10, "dept_id": "A"}, version=version)
    error = error_of(second)
    assert (409, "changed_meanwhile", "ada") == (
        second.status_code,
        error["code"],
        error["fields"]["by"],
    )


def test_viewers_read_and_without_any_key_nobody_writes(
    ask: Ask, change: Callable[..., httpx.Response], deployed: tuple[Deployment, Any]
) -> None:
    refused = change("vera")
    assert (403, "forbidden") == (refused.status_code, error_of(refused)["code"])
    assert 403 == ask("vera", "DELETE", "/overrides/x?version=1-0").status_code
    open_live = deployed[0].live
    keys, open_live.keys = open_live.keys, None
    try:
        app = create_app(open_live)
        assert 200 == ask_app(app, "GET", "/overrides").status_code
        assert 200 == ask_app(app, "GET", "/forecast_value_added").status_code
        for method, path in (("POST", "/overrides"), ("GET", "/forecast_value_added?by=person")):
            assert 403 == ask_app(app, method, path, {} if method == "POST" else None).status_code
    finally:
        open_live.keys = keys


def test_persons_are_told_of_to_themselves_and_to_admins(
    ask: Ask, change: Callable[..., httpx.Response], deployed: tuple[Deployment, Any]
) -> None:
    deployment, _ = deployed
    week = str(deployment.sales.last + timedelta(weeks=1))
    for name, dept in (("ada", "a"), ("bob", "b")):
        keys = {"store_id": 2, "dept_id": dept}
        assert 201 == change(name, keys=keys, first=week, kind="value").status_code
    more = panel(121)
    with closing(Database(deployment.url)) as database:
        database.write(more, "panel")
    found = {
        name: ask(name, "GET", "/forecast_value_added?by=person").json() for name in ("ada", "carl")
    }
    ForecastValueAdded.model_validate(found["carl"])
    assert ["all", "ada"] == [of["group"] for of in found["ada"]["groups"]]
    assert {"all", "ada", "bob"} == {of["group"] for of in found["carl"]["groups"]}
    (_, one) = found["ada"]["groups"]
    assert one["value_added"] == pytest.approx(one["before_error"] - one["after_error"])
    assert one["before_error"] == one["model_error"]
    by_level = ask("vera", "GET", "/forecast_value_added?by=level").json()["groups"]
    assert {"group": "store_id, dept_id", "n": 2} == {
        name: by_level[1][name] for name in ("group", "n")
    }


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"note": " "}, 422, "note must be text that is not blank"),
        ({"note": "a\0b"}, 422, "note must be text that is not blank"),
        ({"note": "a" * 501}, 422, "note must have at most 500 characters"),
        ({"reason": "mood"}, 422, "reason must be 'promotion'"),
        ({"kind": "percent", "number": -150}, 422, "number must be at least -100"),
        ({"kind": "value", "number": -1}, 422, "number must be at least 0"),
        ({"number": float("nan")}, 422, "number"),
        ({"first": "2011-01-01"}, 422, "first 2011-01-07 cannot be changed any more"),
        ({"last": "2013-01-01"}, 422, "last 2013-01-04 is not forecast"),
        ({"keys": {"store_id": 99}}, 404, "Store 99 is not in the model"),
        ({"keys": {"store_id": "1"}}, 422, "keys.store_id"),
        ({"keys": {"week": "2012-01-01"}}, 422, "keys.week is not a field"),
        ({"version": "seen"}, 422, "version must be what GET /forecast"),
        ({"more": 1}, 422, "more is not a field of this request"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    ask: Ask,
    change: Callable[..., httpx.Response],
    body: dict[str, object],
    status: int,
    says: str,
) -> None:
    before = ask("vera", "GET", "/overrides").json()["version"]
    refused = change(**body)
    assert status == refused.status_code, refused.text
    assert error_of(refused)["message"].startswith(says)
    assert before == ask("vera", "GET", "/overrides").json()["version"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/overrides?cursor=x", 422),
        ("/overrides?active=yes", 422),
        ("/overrides?store_id=99", 404),
        ("/overrides?shop=1", 422),
        ("/forecast_value_added?by=mood", 422),
    ],
)
def test_queries_that_make_no_sense_are_refused(ask: Ask, path: str, status: int) -> None:
    refused = ask("carl", "GET", path)
    assert status == refused.status_code
    assert error_of(refused)["fields"]


def test_an_override_that_is_not_there_is_404(ask: Ask) -> None:
    for name in ("no id", "01a21a5f-a058-729d-88ef-a70cc0c43364"):
        refused = ask("ada", "DELETE", f"/overrides/{name}?version=1-0")
        assert (404, "unknown_override") == (refused.status_code, error_of(refused)["code"])
    assert 422 == ask("ada", "DELETE", "/overrides/x").status_code


def test_pages_follow_each_other(ask: Ask, change: Callable[..., httpx.Response]) -> None:
    made = [change(keys={"dept_id": "b"}, number=number).json()["id"] for number in range(3)]
    first = ask("vera", "GET", "/overrides?limit=2").json()
    second = ask("vera", "GET", f"/overrides?limit=2&cursor={first['next']}").json()
    found = [of["id"] for of in (*first["items"], *second["items"])]
    assert made[::-1] == found[:3]


def test_the_example_of_the_documentation_is_taken_with_the_version_that_was_seen(ask: Ask) -> None:
    asked = ask("ada", "GET", "/openapi.json").json()["paths"]["/overrides"]["post"]
    example = asked["requestBody"]["content"]["application/json"]["example"]
    seen = ask("ada", "GET", "/overrides").json()["version"]
    assert 201 == ask("ada", "POST", "/overrides", example | {"version": seen}).status_code


def test_a_database_of_its_own_is_closed_with_the_service(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, panel(60), windows=0)
    for path in ("/overrides", "/forecast/change"):
        refused = ask_app(deployment.app, "GET", path)
        assert (404, "no_forecasts") == (refused.status_code, error_of(refused)["code"])
        assert "python train.py forecast" in error_of(refused)["message"]


def test_the_change_between_two_origins_is_told_in_parts_that_add_up(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, panel(60), windows=0)
    early = deployment.sales.until(deployment.sales.periods[-2])
    deployment.issue(sales=early)
    alone = ask_app(deployment.app, "GET", "/forecast/change")
    assert (404, "no_forecasts") == (alone.status_code, error_of(alone)["code"])
    assert {"origins": [str(early.last)]} == error_of(alone)["fields"]
    deployment.issue()
    first, last = deployment.sales.after(1)[0], deployment.sales.after(3)[-1]
    whole = ask_app(deployment.app, "GET", "/forecast/change?store_id=2").json()
    ForecastChange.model_validate(whole)
    assert ({"store_id": 2}, str(early.last), str(deployment.sales.last)) == (
        whole["keys"],
        whole["from"],
        whole["to"],
    )
    assert (str(first), str(last)) == (whole["first"], whole["last"])
    amounts = {of["cause"]: of["amount"] for of in whole["parts"]}
    assert {"not_split"} == {name for name, amount in amounts.items() if amount}
    assert whole["difference"] == round(whole["after"] - whole["before"], 2)
    assert whole["difference"] == amounts["not_split"]
    query = f"?from={early.last}&to={deployment.sales.last}&week={first}"
    one = ask_app(deployment.app, "GET", f"/forecast/change{query}").json()
    assert one["first"] == one["last"] == str(first)
    refused = ask_app(deployment.app, "GET", "/forecast/change?from=2020-01-03")
    assert (422, ["from"]) == (refused.status_code, [*error_of(refused)["fields"]])
