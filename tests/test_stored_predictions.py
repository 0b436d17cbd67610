"""The ledger read back: pages that hold every answer once, and filters."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sales_forecast.data.ledger import stored_predictions
from sales_forecast.data.ledger.store import LedgerStore
from sales_forecast.data.ledger.stored_predictions import PageWish, StoredPredictions
from sales_forecast.data.ledger.tables import ledger_url
from tests.ledger_rows import BEGIN, keep, row

ROWS = [
    row(number, stores=(1, 2) if number % 5 == 0 else (1 + number % 3,), caller=caller)
    for number, caller in enumerate([None, "ana", "ben", "ana"] * 6)
]
ROWS.append(row(len(ROWS), stores=(7,), caller="dora"))
ROWS[3] |= {"endpoint": "/predict_sales", "model": "trees"}
ROWS[20] |= {"endpoint": "/predict_sales"}
EVERYTHING = PageWish(limit=1000)


def numbers(pages: StoredPredictions, wish: PageWish) -> list[int]:
    """Walk through all pages, and return the numbers of the answers in their order."""
    found: list[Mapping[str, Any]] = []
    while True:
        page = pages.page(wish)
        narrow = wish.endpoint or wish.model
        assert len(page.rows) <= wish.limit
        assert page.rows or page.last is None or narrow
        found += page.rows
        if page.last is None:
            return [int(of["id"][-12:], 16) for of in found]
        wish = replace(wish, before=page.last)


def expected(wish: PageWish) -> list[int]:
    """Say the same the slow way."""
    found = []
    for number, of in enumerate(ROWS):
        about = not wish.keys or wish.keys in [one["series"] for one in of["answer"]]
        theirs = wish.caller in {None, of["caller"]}
        at, late = of["answered_at"], wish.until is not None and of["answered_at"] >= wish.until
        alike = wish.endpoint in {None, of["endpoint"]} and wish.model in {None, of["model"]}
        if about and theirs and alike and not late and (wish.since is None or at >= wish.since):
            found.append(number)
    return found[::-1]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> StoredPredictions:
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger')}/sales.db"
    keep(url, ROWS)
    return StoredPredictions(url)


@given(
    limit=st.integers(1, 30),
    keys=st.sampled_from([{}, {"store_id": 1}, {"store_id": 7}, {"store_id": 9}]),
    since=st.none() | st.integers(-1, 25).map(lambda late: BEGIN + timedelta(seconds=late)),
    caller=st.sampled_from([None, "ana", "ben", "carl", "dora"]),
    until=st.none() | st.integers(-1, 25).map(lambda late: BEGIN + timedelta(seconds=late)),
    endpoint=st.sampled_from([None, "/predict_sales"]),
    model=st.sampled_from([None, "arima", "trees"]),
    looked_through=st.integers(1, 30),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_of_any_size_hold_every_answer_once_the_newest_first(  # noqa: PLR0917
    filled: StoredPredictions,
    limit: int,
    keys: dict[str, int],
    since: datetime | None,
    caller: str | None,
    until: datetime | None,
    endpoint: str | None,
    model: str | None,
    looked_through: int,
) -> None:
    wish = PageWish(limit, keys, since, None, caller, until, endpoint, model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_predictions, "_MOST_LOOKED_THROUGH", looked_through)
        assert expected(wish) == numbers(filled, wish)


def test_a_ledger_reads_the_same_on_every_database(url: str) -> None:
    keep(url, ROWS)
    with closing(StoredPredictions(url)) as pages:
        for wish in (
            PageWish(limit=7),
            *(
                PageWish(limit=2, keys={"store_id": store}, caller=caller)
                for store in (1, 7)
                for caller in ("ana", "ben", "dora", None)
            ),
            PageWish(limit=3, since=BEGIN + timedelta(seconds=11)),
            PageWish(limit=3, until=BEGIN + timedelta(seconds=11), endpoint="/predict_sales"),
            PageWish(limit=3, keys={"store_id": 1}, model="trees"),
            PageWish(3, {"store_id": 1}, BEGIN, None, "ana", BEGIN + timedelta(seconds=11)),
            PageWish(2, until=BEGIN + timedelta(seconds=11), caller="ana"),
        ):
            assert expected(wish) == numbers(pages, wish)
        assert ROWS[::-1] == [{**of} for of in pages.page(EVERYTHING).rows]
        assert ROWS[5] == pages.find(ROWS[5]["id"])
        assert ROWS[5] == pages.find(ROWS[5]["id"], "ana")
        assert pages.find(ROWS[5]["id"], "ben") is None
        assert pages.find(ROWS[4]["id"], "ana") is None
        assert pages.find(row(99)["id"]) is None


def test_keys_of_another_kind_are_other_keys(filled: StoredPredictions) -> None:
    assert not filled.page(PageWish(5, {"store_id": "1"})).rows
    assert not filled.page(PageWish(5, {"dept_id": 1})).rows


@pytest.mark.parametrize("year", [1, 1969, 1970])
def test_a_moment_before_all_ids_is_no_filter(filled: StoredPredictions, year: int) -> None:
    wish = replace(EVERYTHING, since=datetime(year, 1, 1, tzinfo=UTC))
    assert len(ROWS) == len(filled.page(wish).rows)


def test_a_moment_after_all_is_answered_with_nothing(filled: StoredPredictions) -> None:
    last = datetime.max.replace(tzinfo=UTC)
    assert not filled.page(replace(EVERYTHING, since=last)).rows


def test_long_answers_make_short_pages_and_none_is_left_out(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sales.db"
    long = [{"series": {"store_id": 1}, "forecast": "x" * 900_000}]
    keep(url, [{**row(number), "answer": long} for number in range(5)])
    keep(url, [row(number) for number in range(5, 9)])
    pages = StoredPredictions(url)
    assert [8, 7, 6, 5, 4, 3] == [int(of["id"][-2:], 16) for of in pages.page(EVERYTHING).rows]
    assert [*range(8, -1, -1)] == numbers(pages, EVERYTHING)


def test_where_nothing_was_answered_there_is_nothing_and_nothing_is_made(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/sales.db", "sqlite://"):
        pages = StoredPredictions(url)
        assert ([], None) == (pages.page(EVERYTHING).rows, pages.page(EVERYTHING).last)
        assert pages.find(row(1)["id"]) is None
    assert [] == [*tmp_path.iterdir()]
    (tmp_path / "sales.predictions.db").touch()  # which its writer is just about to make
    assert not StoredPredictions(f"sqlite:///{tmp_path}/sales.db").page(EVERYTHING).rows


def test_a_database_of_nobody_has_no_answers(url: str) -> None:
    with closing(StoredPredictions(url)) as pages:
        assert not pages.page(EVERYTHING).rows


def test_what_each_caller_cleared_is_a_row_and_no_answer_is_gone(url: str) -> None:
    keep(url, ROWS)
    at = ledger_url(url)
    assert at is not None
    with closing(StoredPredictions(url)) as pages, closing(LedgerStore(at)) as store:
        assert [] == pages.cleared("ana")
        for caller, late in (("ana", 5), ("ana", 3), ("ben", 7)):
            store.clear(caller, BEGIN + timedelta(seconds=late))
        up_to = [(of["caller"], (of["up_to"] - BEGIN).seconds) for of in pages.cleared(None)]
        assert [("ben", 7), ("ana", 3), ("ana", 5)] == up_to
        assert [3, 5] == [(of["up_to"] - BEGIN).seconds for of in pages.cleared("ana")]
        assert pages.cleared("ana")[0]["cleared_at"] > BEGIN
        assert len(ROWS) == len(pages.page(EVERYTHING).rows)
