"""One run at a time changes an environment; the others hear who. A dead one locks nobody out."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from aws_cloud_infra import mlflow_infra
from aws_cloud_infra.account.clients import read
from aws_cloud_infra.account.errors import AccessDenied, AwsRefused, NotOurs
from aws_cloud_infra.commands.main import main
from aws_cloud_infra.engine import actions, policy
from aws_cloud_infra.engine import lease as lease_module
from aws_cloud_infra.engine.lease import PERMISSION, Holder, Lease, LeaseHeld
from aws_cloud_infra.stacks import both
from tests.aws.account import Account, answer_with, record
from tests.aws.faults import LOST, at_writes, disturb
from tests.aws.lifecycle import IMPLIED
from tests.aws.mlflow_log import will_answer

NAME = "/sales-forecast/production/lease"
SCRIPT = Path(mlflow_infra.__file__)
ANN = Holder("ann@laptop", 17)
BOB = Holder("bob@desk", 18)


def test_a_container_whose_user_has_no_name_may_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert Holder.me().who.startswith("nobody by name@")


def lies_there(account: Account) -> bool:
    ssm = account.session().client("ssm")
    return read(ssm.get_parameter, Name=NAME) is not None


def let_time_pass(session: boto3.Session, minutes: float) -> None:
    """Let AWS's clock show so much more than when the lease was written."""

    def shift(parsed: dict[str, Any], **_: Any) -> None:
        if "Parameter" in parsed:
            parsed["Parameter"]["LastModifiedDate"] -= timedelta(minutes=minutes)

    session.events.register("after-call.ssm.GetParameter", shift)


def test_whoever_comes_second_is_told_who_is_at_it_and_for_how_long(account: Account) -> None:
    session = account.session()
    with Lease(account.aws(), Holder("ann@laptop", 17)).hold():
        let_time_pass(session, 2)
        with pytest.raises(LeaseHeld) as caught, Lease(account.aws(session), BOB).hold():
            pass
        said = caught.value.message
        assert said.startswith(
            "ann@laptop (process 17) has been changing sales-forecast-production for 0 min"
        )
        assert re.search(r"last heard of 1[12]\d s ago", said)
        assert re.search(r"if it died, in 1[78]\d s\.", said)
        with Lease(account.aws(environment="staging"), BOB).hold():
            pass  # another environment is another matter
    with Lease(account.aws(), BOB).hold():
        assert lies_there(account)
    assert not lies_there(account)


@pytest.mark.parametrize("error", [AwsRefused("no"), KeyboardInterrupt()])
def test_it_is_given_back_after_an_error_or_ctrl_c(account: Account, error: BaseException) -> None:
    with pytest.raises(type(error)), Lease(account.aws(), ANN).hold():
        raise error
    assert not lies_there(account)


def test_one_that_was_not_renewed_for_five_minutes_is_void_and_its_holder_stops(
    account: Account,
) -> None:
    late = Lease(account.aws(), ANN)
    late.take()
    late.renew()
    late.check()
    session = account.session()
    let_time_pass(session, 5.1)
    Lease(account.aws(session), BOB).take()
    late.renew()
    with pytest.raises(LeaseHeld, match=r"taken over by bob@desk, so this run has stopped"):
        late.check()
    late.release()
    assert lies_there(account), "it is bob's now"


def test_one_that_nobody_can_renew_stops_its_holder(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = Lease(account.aws(), ANN)
    lease.take()
    now = lease_module.time.time()
    monkeypatch.setattr(lease_module.time, "time", lambda: now + 301)
    with pytest.raises(LeaseHeld, match="could not be renewed for 5 minutes"):
        lease.check()


def test_of_two_that_find_a_void_one_one_gets_it(account: Account) -> None:
    Lease(account.aws(), Holder("gone@cloud", 1)).take()
    both_look = threading.Barrier(2, timeout=30)
    outcomes: list[str] = []

    def take(me: Holder) -> None:
        session = account.session()
        let_time_pass(session, 6)
        session.events.register("after-call.ssm.GetParameter", lambda **_: wait_once(me))
        try:
            Lease(account.aws(session), me).take()
            outcomes.append("taken")
        except LeaseHeld:
            outcomes.append("refused")

    waited: set[str] = set()

    def wait_once(me: Holder) -> None:
        if me.who not in waited:
            waited.add(me.who)
            both_look.wait()

    threads = [threading.Thread(target=take, args=(me,)) for me in (ANN, BOB)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("taken") == 1


def test_a_lost_answer_does_not_lock_out_whoever_took_it(account: Account) -> None:
    session = account.session()
    disturb(session, at_writes(LOST))
    lease = Lease(account.aws(session), ANN)
    with lease.hold():
        lease.renew()
        lease.check()
    assert not lies_there(account)


def test_a_parameter_of_somebody_else_is_left(account: Account) -> None:
    account.session().client("ssm").put_parameter(Name=NAME, Value="mine", Type="String")
    with pytest.raises(NotOurs, match="is not a lease"):
        Lease(account.aws(), ANN).take()
    assert lies_there(account)


def test_its_calls_are_in_the_policy_of_each_stack_for_the_pipeline_too(account: Account) -> None:
    session = account.session()
    calls = record(session)
    aws = account.aws(session)
    lease = Lease(aws, ANN)
    with lease.hold():
        lease.renew()
    assert {*PERMISSION.actions} - IMPLIED.keys() == {actions.action(*call) for call in calls.made}
    for stack in both(aws):
        for pipeline in (True, False):
            statements = policy.statements(stack.resources, pipeline=pipeline)
            (mine,) = (item for item in statements if str(item["Resource"]).endswith("/lease"))
            assert sorted(PERMISSION.actions) == mine["Action"]
            assert aws.arn("ssm", f"parameter{NAME}") == mine["Resource"]


def test_without_the_permission_the_statement_for_it_is_told(account: Account) -> None:
    session = account.session()
    denial = "User: me is not authorized to perform: ssm:PutParameter on resource: it"
    answer_with(session, "ssm.PutParameter", "AccessDeniedException", denial, 400)
    with (
        pytest.raises(AccessDenied, match="ssm:DeleteParameter"),
        Lease(account.aws(session), ANN).hold(),
    ):
        pass


@pytest.fixture
def here(account: Account, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    for name, value in account.environment().items():
        monkeypatch.setenv(name, value)
    will_answer(account)
    return lambda verb: main(mlflow_infra.build, [verb, "--yes"])


def test_apply_and_destroy_wait_for_nobody_and_plan_needs_no_lease(
    account: Account, here: Callable[[str], int], capsys: pytest.CaptureFixture[str]
) -> None:
    with Lease(account.aws(), ANN).hold():
        assert 0 == here("plan")
        assert 1 == here("apply")
        assert 1 == len(account.session().client("ec2").describe_vpcs()["Vpcs"]), "AWS's own"
        assert "ann@laptop (process 17) has been changing" in capsys.readouterr().err


def test_an_apply_that_was_killed_does_not_lock_out_the_next_on_its_machine(
    account: Account, here: Callable[[str], int], capsys: pytest.CaptureFixture[str]
) -> None:
    killed = subprocess.Popen(
        [sys.executable, SCRIPT, "apply", "--yes"],
        env=account.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not lies_there(account):
        assert killed.poll() is None, "it holds a lease while it writes"
    os.kill(killed.pid, signal.SIGSTOP)
    assert 1 == here("apply")
    assert f" (process {killed.pid}) has been changing" in capsys.readouterr().err
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert 0 == here("apply")
    assert not lies_there(account)
