"""Plan, apply and destroy over things of any kind."""

from __future__ import annotations

import pytest

from aws_cloud_infra.account.errors import CannotChange, NotOurs
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action, Difference, differences
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Within
from aws_cloud_infra.engine.stack import Stack, in_order
from tests.aws.lifecycle import NOBODY, quietly, what_changes
from tests.aws.things import AWS, Cloud, Thing, Treasure


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def house(cloud: Cloud) -> list[Thing]:
    ground = Thing(AWS, "ground", cloud)
    wall = Thing(AWS, "wall", cloud, on=(ground,))
    roof = Thing(AWS, "roof", cloud, on=(wall,))
    return [roof, ground, wall]


def put(cloud: Cloud, *things: Thing) -> None:
    apply(plan(things), quietly)
    cloud.written.clear()


def test_every_setting_that_differs_is_named_with_its_old_and_new_value() -> None:
    desired = {"days": 7, "rules": {"a": "allowed"}, "same": [1]}
    live = {"days": 5, "rules": {"b": "allowed"}, "same": [1]}
    assert differences(desired, live) == (
        Difference("days", 5, 7),
        Difference("rules.a", None, "allowed"),
        Difference("rules.b", "allowed", None),
    )


def test_a_setting_that_something_else_moves_is_right_within_its_bounds() -> None:
    assert differences({"tasks": Within(1, 4)}, {"tasks": 3}) == ()
    assert differences({"tasks": Within(1, 4)}, {"tasks": 5}) != ()
    assert "1 to 4" == str(Within(1, 4))
    assert "2" == str(Within(2, 2))


def test_what_is_needed_comes_before_what_needs_it(cloud: Cloud) -> None:
    assert ["ground", "wall", "roof"] == [item.name for item in in_order(house(cloud))]


def test_an_empty_cloud_is_planned_in_one_pass_with_stand_ins_for_what_is_not_there(
    cloud: Cloud,
) -> None:
    changes = plan(house(cloud))
    assert [Action.CREATE] * 3 == [change.action for change in changes]
    assert Difference("on.wall", None, "(thing wall, to be made)") in changes[2].differences
    assert [] == cloud.written


def test_apply_makes_things_bottom_up_and_brings_each_in_line(cloud: Cloud) -> None:
    apply(plan(house(cloud)), quietly)
    assert [
        "make ground", "set size of ground",
        "make wall", "set size of wall",
        "make roof", "set size of roof",
    ] == cloud.written  # fmt: skip
    assert {} == what_changes(plan(house(cloud)))


def test_applying_again_writes_nothing(cloud: Cloud) -> None:
    put(cloud, *house(cloud))
    apply(plan(house(cloud)), quietly)
    assert [] == cloud.written


def test_only_what_was_changed_by_hand_is_written(cloud: Cloud) -> None:
    put(cloud, *house(cloud))
    cloud.there["wall"]["settings"] = {**cloud.there["wall"]["settings"], "size": 9}
    changes = plan(house(cloud))
    assert {"thing wall": ["size"]} == what_changes(changes)
    apply(changes, quietly)
    assert ["set size of wall"] == cloud.written


def test_something_of_our_name_without_our_tags_is_refused_before_anything_is_written(
    cloud: Cloud,
) -> None:
    put(cloud, Thing(AWS, "wall", cloud))
    cloud.there["wall"]["tags"] = {"Project": "somebody-else"}
    changes = plan([Thing(AWS, "ground", cloud), Thing(AWS, "wall", cloud, size=5)])
    with pytest.raises(NotOurs, match=r"thing wall \(id-wall\) is not ours: it lacks the tags"):
        apply(changes, quietly)
    assert [] == cloud.written


def test_a_setting_that_cannot_change_is_refused_with_both_values(cloud: Cloud) -> None:
    put(cloud, Thing(AWS, "wall", cloud))
    changes = plan([Thing(AWS, "wall", cloud, shape="square")])
    with pytest.raises(CannotChange, match="shape is round, not square"):
        apply(changes, quietly)
    assert [] == cloud.written


def test_destroy_goes_top_down_and_is_quiet_the_second_time(cloud: Cloud) -> None:
    put(cloud, *house(cloud))
    stack = Stack("house", (), tuple(house(cloud)))
    destroy(plan_destroy(stack, NOBODY, include_data=False), quietly)
    assert ["delete roof", "delete wall", "delete ground"] == cloud.written
    assert [] == plan_destroy(stack, NOBODY, include_data=False)


def test_destroy_spares_data_and_all_that_data_stands_on(cloud: Cloud) -> None:
    ground, cellar = Thing(AWS, "ground", cloud), Thing(AWS, "cellar", cloud)
    chest = Treasure(AWS, "chest", cloud, on=(cellar,))
    stack = Stack("house", (ground, cellar), (chest,))
    put(cloud, ground, cellar, chest)
    destroy(plan_destroy(stack, NOBODY, include_data=False), quietly)
    assert {"cellar", "chest"} == set(cloud.there)
    destroy(plan_destroy(stack, NOBODY, include_data=True), quietly)
    assert {} == cloud.there


def neighbours(cloud: Cloud) -> tuple[Stack, Stack]:
    """Two stacks with ground and fence in common; the barn stands in both, full of treasure."""
    ground, fence = Thing(AWS, "ground", cloud), Thing(AWS, "fence", cloud)
    chest = Treasure(AWS, "chest", cloud, on=(ground,))
    house = Stack("house", (ground, fence), (Thing(AWS, "house", cloud, on=(ground,)),))
    barn = Stack("barn", (ground, fence), (chest, Thing(AWS, "barn", cloud, on=(chest,))))
    return house, barn


def test_what_two_stacks_share_stays_until_the_second_is_destroyed(cloud: Cloud) -> None:
    house, barn = neighbours(cloud)
    put(cloud, *house.resources, *barn.own)
    changes = plan_destroy(house, barn, include_data=True)
    used = "the barn stack uses it"
    assert {"thing ground": used, "thing fence": used} == {
        str(change.resource): change.reason for change in changes if change.reason
    }
    destroy(changes, quietly)
    assert {"ground", "fence", "chest", "barn"} == set(cloud.there)
    destroy(plan_destroy(barn, house, include_data=True), quietly)
    assert {} == cloud.there


def test_of_what_two_stacks_share_only_what_data_needs_outlives_both(cloud: Cloud) -> None:
    house, barn = neighbours(cloud)
    put(cloud, *house.resources, *barn.own)
    destroy(plan_destroy(barn, house, include_data=False), quietly)
    assert {"ground", "fence", "chest", "house"} == set(cloud.there)
    destroy(plan_destroy(house, barn, include_data=False), quietly)
    assert {"ground", "chest"} == set(cloud.there)


def test_destroy_leaves_what_is_not_ours(cloud: Cloud) -> None:
    put(cloud, Thing(AWS, "wall", cloud))
    cloud.there["wall"]["tags"] = {}
    stack = Stack("house", (), (Thing(AWS, "wall", cloud),))
    (change,) = plan_destroy(stack, NOBODY, include_data=True)
    assert (Action.KEEP, "it is not ours") == (change.action, change.reason)
    destroy([change], quietly)
    assert {"wall"} == set(cloud.there)
