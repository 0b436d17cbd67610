"""Overrides: spread to the cent, beside the forecast, kept over new origins, never overwritten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial

import numpy as np
import pytest
import sqlalchemy as sa

from sales_forecast.data.forecasts.override_retention import forget_people
from sales_forecast.data.forecasts.plan_rows import PlanRows, PlanTables
from sales_forecast.data.forecasts.stored_forecasts import StoredForecasts
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import ChangedMeanwhile, InvalidRequest, UnknownOverride
from sales_forecast.planning.overrides import Overrides
from sales_forecast.planning.states import OverridesWish
from sales_forecast.settings import Settings
from tests.planning.world import World
from tests.two_keys import KEYS, SPEC, sales_of

ONE = {"k1": "1", "k2": "a"}
STORE = {"k1": "10"}


@pytest.fixture
def world(url: str) -> Iterator[World]:
    with closing(World(url)) as world:
        world.issue()
        yield world


@pytest.fixture
def local(tmp_path) -> Iterator[World]:
    with closing(World(f"sqlite:///{tmp_path}/sales.db")) as world:
        world.issue()
        yield world


def test_an_override_of_the_chain_is_spread_by_share_and_every_sum_agrees(world: World) -> None:
    before = world.by_series()
    made = world.change({}, "value", 1234.57, (2, 3))
    after = world.by_series()
    assert [123457, 123457] == after[:, 1:3].sum(axis=0).tolist() == world.planned()[1:3]
    np.testing.assert_array_equal(before[:, [0, 3, 4, 5]], after[:, [0, 3, 4, 5]])
    expected = 123457 * before[:, 1:3] / before[:, 1:3].sum(axis=0)
    assert np.abs(after[:, 1:3] - expected).max() < 1.0
    stores = [world.planned(k1=store) for store in ("1", "2", "10")]
    np.testing.assert_array_equal(after.reshape(3, 3, 6).sum(axis=1), stores)
    departments = [world.planned(k2=name) for name in ("a", "A", "b")]
    np.testing.assert_array_equal(after.reshape(3, 3, 6).sum(axis=0), departments)
    assert [before[:, 1].sum() / 100, before[:, 2].sum() / 100] == [of.before for of in made.cells]
    assert [1234.57, 1234.57] == [of.after for of in made.cells]


def test_the_view_has_what_is_planned_beside_what_is_forecast(world: World) -> None:
    before = world.by_series()
    world.change(STORE, "percent", 10)
    engine = sa.create_engine(world.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        query = "SELECT SUM(sales), SUM(planned) FROM forecasts_newest WHERE target = :week"
        row = connection.execute(sa.text(query), {"week": str(world.week(1))}).one()
    assert [round(sum_ * 100) for sum_ in row] == [before[:, 0].sum(), world.planned()[0]]
    store = before[6:, 0].sum()
    assert world.planned()[0] == before[:, 0].sum() + round(store * 10 / 100)


def test_twenty_people_who_write_at_once_lose_nothing_and_every_sum_agrees(world: World) -> None:
    """Each sees, changes, and looks again when told that somebody else was faster."""
    forecast = world.by_series()
    scopes = [{}, *({"k1": of} for of in ("1", "2", "10")), *({"k2": of} for of in ("a", "A", "b"))]
    scopes += [{"k1": str(store), "k2": name} for store, name in KEYS]

    refused: list[object] = []

    def add(number: int) -> None:
        with (
            closing(Overrides(world.url)) as overrides,
            closing(StoredForecasts(world.url)) as read,
        ):
            while True:
                found = read.find(SPEC, {})
                version = overrides.planned(SPEC, found.id, {}).version
                wish = world.wish(scopes[number % len(scopes)], "units", 10.0 + number)
                try:
                    overrides.make(SPEC, replace(wish, version=version), f"person-{number}")
                except ChangedMeanwhile as error:
                    refused.append(error.fields["by"])
                else:
                    return

    with ThreadPoolExecutor(20) as people:
        list(people.map(add, range(20)))
    assert refused
    assert all(str(who).startswith("person-") for who in refused)
    page = world.overrides.page(SPEC, OverridesWish())
    made = [state.override for state in page.items]
    assert {f"person-{number}" for number in range(20)} == {of.made_by for of in made}
    assert [*range(20, 0, -1)] == [of.number for of in made]
    newest = {str(of.scope): of.amount for of in reversed(made)}
    after = world.by_series()
    assert after[:, 0].sum() - forecast[:, 0].sum() == 100 * sum(newest.values())
    assert after[:, 0].sum() == world.planned()[0]
    assert after[:3, 0].sum() == world.planned(k1="1")[0]
    assert after[1::3, 0].sum() == world.planned(k2="A")[0]
    np.testing.assert_array_equal(forecast[:, 1:], after[:, 1:])


def test_whoever_saw_the_cells_before_somebody_else_is_told_who_and_overwrites_nothing(
    world: World,
) -> None:
    seen = world.version()
    world.change(STORE, "units", 5, by="ada")
    plan = world.by_series()
    for scope in ({}, STORE, {"k2": "A"}, {"k1": "10", "k2": "b"}):
        with pytest.raises(ChangedMeanwhile, match="changed by ada at 20") as refused:
            world.change(scope, "value", 1, by="bob", version=seen)
        assert "ada" == refused.value.fields["by"]
    np.testing.assert_array_equal(plan, world.by_series())
    world.change({"k1": "1"}, "units", 5, by="bob", version=seen)  # other cells
    world.change(STORE, "units", 5, (2, 2), by="bob", version=seen)  # other weeks
    world.issue(version="v2")
    with pytest.raises(ChangedMeanwhile, match="New forecasts were issued"):
        world.change({"k1": "2"}, "units", 5, version=seen)


class Meanwhile(PlanTables):
    """Lets somebody else do something once, after all is prepared and before it is written."""

    def __init__(self, url: str, then: Callable[[], object]) -> None:
        super().__init__(url)
        self.left = [then]

    @contextmanager
    def writing(self, spec: PanelSpec) -> Iterator[PlanRows]:
        while self.left:
            self.left.pop()()
        with super().writing(spec) as rows:
            yield rows


def while_preparing(world: World, then: Callable[[], object]) -> Overrides:
    """What somebody works with to whom that happens."""
    slow = Overrides(world.url)
    slow.close()
    slow.tables = Meanwhile(world.url, then)
    return slow


def test_what_others_change_while_a_plan_is_prepared_is_in_it(world: World) -> None:
    before, wish = world.by_series(), world.wish(ONE, "units", 1)
    first = world.change({"k1": "2"}, "units", 3).override
    with closing(while_preparing(world, lambda: world.change(STORE, "units", 5))) as slow:
        made = slow.make(SPEC, replace(wish, version=world.version()), "bob")
    assert (3, world.version()) == (made.override.number, made.version)
    apart = (world.by_series() - before).reshape(3, 3, 6).sum(axis=1)
    np.testing.assert_array_equal([100, 300, 500], apart[:, 0])
    with closing(while_preparing(world, lambda: world.change({"k1": "1"}, "units", 7))) as slow:
        assert 5 == slow.undo(SPEC, first.id, world.version(), "bob").number
    apart = (world.by_series() - before).reshape(3, 3, 6).sum(axis=1)
    np.testing.assert_array_equal([800, 0, 500], apart[:, 0])


def test_whoever_is_overtaken_while_a_plan_is_prepared_is_told_and_overwrites_nothing(
    local: World,
) -> None:
    wish, version = local.wish(ONE, "units", 1), local.version()
    with (
        closing(while_preparing(local, lambda: local.change({}, "units", 5))) as slow,
        pytest.raises(ChangedMeanwhile, match="These cells were changed by ada at"),
    ):
        slow.make(SPEC, replace(wish, version=version), "bob")
    (of,) = local.overrides.page(SPEC, OverridesWish()).items
    planned, version = local.by_series(), local.version()
    with (
        closing(while_preparing(local, lambda: local.issue(version="v2"))) as slow,
        pytest.raises(ChangedMeanwhile, match="New forecasts were issued meanwhile"),
    ):
        slow.make(SPEC, replace(wish, version=version), "bob")
    undo = partial(local.overrides.undo, SPEC, of.override.id, local.version(), "ada")
    with (
        closing(while_preparing(local, undo)) as slow,
        pytest.raises(ChangedMeanwhile, match=f"Override {of.override.id} was undone by ada at"),
    ):
        slow.undo(SPEC, of.override.id, local.version(), "bob")
    assert planned[:, 0].sum() - 500 == local.by_series()[:, 0].sum()


def test_an_override_of_weeks_that_are_no_longer_forecast_is_undone(world: World) -> None:
    made = world.change({}, "units", 1, (5, 6)).override
    world.issue(sales_of(len(KEYS), 3))
    planned = world.by_series()
    world.overrides.undo(SPEC, made.id, world.version(), "ada")
    np.testing.assert_array_equal(planned, world.by_series())
    world.issue()
    assert world.planned() == world.by_series().sum(axis=0).tolist()
    assert not world.overrides.page(SPEC, OverridesWish(active=True)).items


def test_a_second_override_of_the_same_level_is_instead_of_the_first_and_undo_brings_it_back(
    local: World,
) -> None:
    forecast = local.planned(**ONE)
    first = local.change(ONE, "percent", 50, (1, 3)).override
    second = local.change(ONE, "percent", 50, (2, 2)).override
    local.change(ONE, "percent", 50, (2, 2))
    once = [cents + round(cents / 2) for cents in forecast[:3]]
    assert once == local.planned(**ONE)[:3]
    for state in local.overrides.page(SPEC, OverridesWish(active=True)).items[1:]:
        assert second.id != state.override.id
    third = local.change(ONE, "value", 7, (2, 2)).override
    assert 700 == local.planned(**ONE)[1]
    undo = local.overrides.undo(SPEC, third.id, local.version(), "bob")
    assert ("undo", third.id, "bob") == (undo.kind, undo.undoes, undo.made_by)
    assert once == local.planned(**ONE)[:3]
    local.overrides.undo(SPEC, first.id, local.version(), "bob")
    assert [forecast[0], once[1], forecast[2]] == local.planned(**ONE)[:3]
    with pytest.raises(ChangedMeanwhile, match="was undone by bob at"):
        local.overrides.undo(SPEC, first.id, local.version(), "ada")
    with pytest.raises(UnknownOverride):
        local.overrides.undo(SPEC, undo.id, local.version(), "ada")
    (state,) = [
        of for of in local.overrides.page(SPEC, OverridesWish()).items if of.override.id == first.id
    ]
    assert state.undone is not None
    assert ("bob", ()) == (state.undone.made_by, tuple(state.cells))


def test_of_different_levels_the_later_one_is_on_top_of_what_is_planned(local: World) -> None:
    forecast = local.by_series()[:, 0]
    local.change(ONE, "value", 0)
    local.change({"k1": "1"}, "percent", 10)
    plan = local.by_series()[:, 0]
    store = int(forecast[1:3].sum())
    assert 0 == plan[0]  # it is closed, and what the store sells more it sells elsewhere
    assert store + round(store / 10) == plan[:3].sum()
    np.testing.assert_array_equal(forecast[3:], plan[3:])
    local.change({"k1": "1", "k2": "A"}, "units", -1e6)
    assert 0 == local.planned(k1="1", k2="A")[0]


def test_overrides_outlive_a_new_origin_and_a_new_model_and_apply_to_what_these_expect(
    world: World,
) -> None:
    world.change(STORE, "percent", 20, (1, 3))
    world.change({"k1": "2"}, "value", 777.77, (1, 4))
    units = world.change({"k1": "1"}, "units", 100.01, (1, 1)).override
    for version, weeks in (("v2", 20), ("v3", 21)):
        world.load(weeks)
        cents = world.issue(sales_of(len(KEYS), 6, seed=weeks), version=version)
        after = world.by_series()
        stays, ten = 4 - (weeks - 20), cents[6:].sum(axis=0)
        assert [77777] * stays == world.planned(k1="2")[:stays]
        assert cents[3:6, stays:].sum(axis=0).tolist() == world.planned(k1="2")[stays:]
        raised = [int(of) + round(int(of) * 20 / 100) for of in ten[: stays - 1]]
        assert [*raised, *ten[stays - 1 :].tolist()] == world.planned(k1="10")
        more = 10001 if weeks == 20 else 0
        assert cents[:3, 0].sum() + more == world.planned(k1="1")[0]
        assert after.sum(axis=0).tolist() == world.planned()
    state = world.overrides.find(SPEC, units.id)
    assert (True, []) == (state.expired, [*state.cells])
    with pytest.raises(InvalidRequest, match="first period that may still be changed"):
        world.overrides.undo(SPEC, units.id, world.version(), "ada")


def test_a_forecast_that_has_made_the_change_itself_is_said_to(local: World) -> None:
    sales = np.full((9, 6), 100.0)
    local.issue(sales, version="v2")
    made = local.change({}, "percent", 20, (1, 2)).override
    assert local.overrides.find(SPEC, made.id).contained is None
    local.issue(sales * 1.18, version="v3")
    assert 0.9 == local.overrides.find(SPEC, made.id).contained
    local.issue(sales * 0.98, version="v4")
    assert -0.1 == local.overrides.find(SPEC, made.id).contained


def test_what_nobody_was_told_is_refused_by_every_database(world: World) -> None:
    world.change({}, "units", 1.0)
    seen = world.version()
    for of in ("\0", "9" * 40, "none"):
        with pytest.raises(UnknownOverride, match="There is no override"):
            world.overrides.undo(SPEC, of, seen, "ada")
    for version in ("\0", "1-2147483648"):
        with pytest.raises(InvalidRequest, match="version must be what"):
            world.change(ONE, "value", 1.0, version=version)


def test_weeks_that_have_come_are_locked_or_were_not_forecast_are_refused(local: World) -> None:
    local.overrides.lock_periods = 2
    for steps, says in (
        ((0, 1), "cannot be changed any more"),
        ((2, 4), "the 2 after it are locked"),
        ((3, 7), "is not forecast: the forecasts of 2010-06-18 end with 2010-07-30"),
        ((4, 3), "comes after last"),
    ):
        with pytest.raises(InvalidRequest, match=says):
            local.change({}, "units", 1, steps)
    local.change({}, "units", 1, (3, 6))
    for kind, amount in (("value", -1), ("percent", -101), ("units", 2e12), ("value", np.inf)):
        with pytest.raises(InvalidRequest, match="number must be at least"):
            local.change({}, kind, amount, (3, 3))


def test_what_was_planned_at_the_end_of_a_day_is_answered_as_of_it(local: World) -> None:
    made = local.change({}, "units", 1).override
    found = local.forecasts.find(SPEC, ONE)
    day = made.made_at.date()
    after = local.overrides.planned(SPEC, found.id, ONE, day)
    assert local.overrides.planned(SPEC, found.id, ONE).apart == {
        target: cents for target, cents in after.apart.items() if target == local.week(1)
    }
    before = local.overrides.planned(SPEC, found.id, ONE, day - timedelta(days=1))
    assert not any(before.apart.values())


def test_the_table_only_grows(local: World) -> None:
    local.change({}, "units", 1)
    engine = sa.create_engine(local.url, poolclass=sa.NullPool)
    for statement in (
        "UPDATE overrides SET amount = 2",
        "DELETE FROM overrides",
        "REPLACE INTO overrides SELECT * FROM overrides",
    ):
        with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError, match="append"):
            connection.execute(sa.text(statement))


def test_pages_are_of_what_is_asked_for_the_newest_first(local: World) -> None:
    ids = [
        local.change(scope, "units", 1, (step, step), by=by, reason=reason).override.id
        for scope, step, by, reason in (
            ({}, 1, "ada", "event"),
            (STORE, 2, "bob", "event"),
            ({"k1": "1"}, 3, "ada", "weather"),
            (ONE, 4, "bob", "price"),
        )
    ]

    def asked(**wish: object) -> list[int]:
        found = local.overrides.page(SPEC, OverridesWish(**wish)).items
        return [ids.index(state.override.id) for state in found]

    assert [3, 2, 1, 0] == asked()
    assert [3, 2, 0] == asked(scope={"k1": "1"})
    assert [1, 0] == asked(reason="event")
    assert [2, 0] == asked(made_by="ada")
    page = local.overrides.page(SPEC, OverridesWish(limit=3))
    assert page.last == 2
    assert [0] == asked(limit=3, before=page.last)
    local.overrides.undo(SPEC, ids[3], local.version(), "ada")
    assert [2, 1, 0] == asked(active=True)


def test_several_are_made_as_if_one_after_the_other_or_none_of_them(world: World) -> None:
    scopes = [{"k1": "1", "k2": "a"}, {"k1": "2", "k2": "A"}, {"k1": "1"}]
    wishes = [
        replace(world.wish(scope, "value", 1000.0 + number, (2, 3)), version=world.version())
        for number, scope in enumerate(scopes)
    ]
    wrong = replace(world.wish({"k1": "2"}, "value", 1.0, (99, 99)), version=world.version())
    told = world.overrides.preview(SPEC, wishes, "ada")
    with pytest.raises(InvalidRequest, match="is not forecast"):
        world.overrides.make_all(SPEC, [*wishes, wrong], "ada")
    assert not world.overrides.page(SPEC, OverridesWish()).items
    before = world.planned()

    made = world.overrides.make_all(SPEC, wishes, "ada")

    assert [of.cells for of in told] == [of.cells for of in made]
    assert [1000.0, 1000.0] == [of.after for of in made[0].cells]
    assert 100_200 == world.planned(k1="1")[1] == world.planned(k1="1")[2]
    assert 100_100 == world.planned(k1="2", k2="A")[1]
    assert world.by_series().sum(axis=0).tolist() == world.planned() != before
    assert [3, 2, 1] == [
        of.override.number for of in world.overrides.page(SPEC, OverridesWish()).items
    ]
    with pytest.raises(ChangedMeanwhile):
        world.overrides.make_all(SPEC, wishes[:1], "bob")
    assert world.overrides.make_all(SPEC, [], "ada") == []


def test_after_its_time_a_number_stands_for_the_person_and_nothing_else_changes(
    world: World,
) -> None:
    for by in ("ada", "bob", "ada"):
        world.change({}, "units", 1, by=by)
    settings = Settings(database_url=world.url, override_retention_days=10)
    made = world.overrides.page(SPEC, OverridesWish()).items[::-1]
    old = made[-1].override.made_at + timedelta(days=10)
    assert 0 == forget_people(settings)
    assert 2 == forget_people(settings, old)
    assert 0 == forget_people(settings, old)
    assert 1 == forget_people(settings, old + timedelta(seconds=1))
    after = world.overrides.page(SPEC, OverridesWish()).items[::-1]
    assert ["#1", "#2", "#3"] == [of.override.made_by for of in after]
    for was, now in zip(made, after, strict=True):
        assert replace(was.override, made_by=now.override.made_by) == now.override
    assert world.planned()[0] == round(world.by_series()[:, 0].sum())
