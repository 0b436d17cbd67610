"""Every call of both scripts, with what it names, is allowed by the policies that they print."""

from __future__ import annotations

from aws_cloud_infra.engine import policy
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.stacks import both
from tests.aws.account import DELIVERIES, Account
from tests.aws.lifecycle import quietly
from tests.aws.resources.test_https import DOMAIN, make_zone
from tests.aws.trace import denied, trace


def test_each_call_is_allowed_for_what_it_names(account: Account) -> None:
    zone = make_zone(account)
    session = account.session()
    calls = trace(session)
    aws = account.aws(session, domain=DOMAIN, hosted_zone_id=zone, **DELIVERIES)
    serving, tracking = both(aws, final_snapshot=False)
    for stack in (tracking, serving):
        apply(plan(stack.resources), quietly)
    destroy(plan_destroy(tracking, serving, include_data=True), quietly)
    destroy(plan_destroy(serving, tracking, include_data=True), quietly)
    # To destroy one is to look at the other as well, which may need what both share.
    printed = [
        item for stack in (serving, tracking)
        for item in policy.statements(stack.resources, stack.retired)
    ]  # fmt: skip
    assert len(calls) > 300
    assert set() == denied(printed, calls)


def test_a_call_for_something_else_is_denied(account: Account) -> None:
    serving, _ = both(account.aws())
    printed = policy.statements(serving.resources)
    update = ("ecs", "UpdateService", {"service": "sales-forecast-production"})
    foreign = ("ecs", "UpdateService", {"service": "another"})
    assert set() == denied(printed, [update])
    assert 1 == len(denied(printed, [foreign]))
