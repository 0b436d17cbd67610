"""Both stacks survive a process that dies at any call, and AWS asking to slow down at each.

What there is afterwards is counted by listing the account, not by the code under test.
Processes whose threads die together die after every fifth write that they make. A process with one
thread dies after every sixtieth. EVERY_WRITE=1: all die after each, and EVERY_CALL=1: those with
one thread after each read as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import botocore.endpoint
import pytest

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.engine import side_by_side
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.stacks import both
from tests.aws.account import (
    DELIVERIES,
    Account,
    Killed,
    Killer,
    answer_with,
    is_read,
    record,
)
from tests.aws.census import Census, census, counts, without
from tests.aws.emulator import copyable_emulator
from tests.aws.lifecycle import quietly, what_changes

READS_TOO = "EVERY_CALL" in os.environ
EVERY_WRITE = READS_TOO or "EVERY_WRITE" in os.environ
STRIDE = 1 if EVERY_WRITE else 60
WRITES = 0 if EVERY_WRITE else 4
"""How many a process makes before the one after which it dies."""
SETTINGS = DELIVERIES if EVERY_WRITE else {}

Do = Callable[[Stack, Stack], None]


def make(stack: Stack, _other: Stack) -> None:
    apply(plan(stack.resources), quietly)


def unmake(stack: Stack, other: Stack) -> None:
    destroy(plan_destroy(stack, other, include_data=True), quietly)


def do_both(aws: Aws, do: Do) -> None:
    serving, tracking = both(aws, final_snapshot=False)
    do(tracking, serving)
    do(serving, tracking)


def assert_complete(account: Account) -> None:
    for stack in both(account.aws(**SETTINGS)):
        assert what_changes(plan(stack.resources)) == {}


def die_after_each_write(account: Account, do: Do) -> int:
    """Do it for both stacks with processes that each die after their first few writes.

    What other threads of the process have sent by then is done as well. Returns how many died
    before one had too little to write.
    """
    session = account.session()
    killer = Killer(session)
    serving, tracking = both(account.aws(session, **SETTINGS), final_snapshot=False)
    deaths = 0
    for stack, other in ((tracking, serving), (serving, tracking)):
        killer.aim(WRITES, "after", writes_only=True)
        while not _survives(do, stack, other):
            killer.aim(WRITES, "after", writes_only=True)
            deaths += 1
            assert deaths < 1000, f"never done; the last one died at {killer.died_at}"
    return deaths


def _survives(do: Do, stack: Stack, other: Stack) -> bool:
    try:
        do(stack, other)
    except Killed:
        return False
    return True


@pytest.fixture
def made_once(account: Account) -> dict[str, int]:
    """How many of each kind there are after an undisturbed apply, in an account then emptied."""
    do_both(account.aws(**SETTINGS), make)
    found = counts(census(account.session()))
    account.reset()
    return found


@pytest.fixture
def empty(account: Account) -> Census:
    return census(account.session())


def test_apply_that_dies_after_each_write_gets_there_with_nothing_double(
    account: Account, made_once: dict[str, int]
) -> None:
    deaths = die_after_each_write(account, make)
    assert deaths > 3
    assert counts(census(account.session())) == made_once
    assert_complete(account)


def test_destroy_that_dies_after_each_write_leaves_nothing(account: Account, empty: Census) -> None:
    do_both(account.aws(**SETTINGS), make)
    deaths = die_after_each_write(account, unmake)
    assert deaths > 3
    assert without(census(account.session()), empty) == {}


def test_apply_and_destroy_complete_when_each_call_is_throttled_once(
    account: Account, empty: Census, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda _: None)
    session = account.session()
    throttled = answer_with(session, "*.*", "ThrottlingException", "Rate exceeded", 400, once=True)
    calls = record(session)
    do_both(account.aws(session, **SETTINGS), make)
    assert_complete(account)
    do_both(account.aws(session, **SETTINGS), unmake)
    assert without(census(account.session()), empty) == {}
    assert len(throttled) == len(calls)


@pytest.mark.parametrize("do", [make, unmake])
def test_wherever_a_process_dies_the_next_completes_what_it_began(
    do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call before which it dies leaves what the call before it left when its answer was lost."""
    monkeypatch.setattr(side_by_side, "SIDE_BY_SIDE", 1)
    died: list[str] = []
    with copyable_emulator() as account:
        empty = counts(census(account.session()))
        with account.copy() as undisturbed:
            do_both(undisturbed.aws(**SETTINGS), make)
            made = counts(census(undisturbed.session()))
        if do is unmake:
            do_both(account.aws(**SETTINGS), make)

        def die_here(event_name: str, **_: Any) -> None:
            if is_read(event_name) and not READS_TOO:
                return
            died.append(event_name)
            if len(died) % STRIDE:
                return
            with account.copy() as left_behind:
                do_both(left_behind.aws(**SETTINGS), do)
                found = counts(census(left_behind.session()))
                assert found == (made if do is make else empty), f"after {event_name}"
                if do is make:
                    assert_complete(left_behind)

        session = account.session()
        session.events.register("after-call.*.*", die_here)
        do_both(account.aws(session, **SETTINGS), do)
    assert len(died) > STRIDE
