"""The load balancer, its listeners and its targets on an emulated account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from aws_cloud_infra.account import patience
from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.errors import NotOurs
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Ids, Live, Resource
from aws_cloud_infra.resources.front.listener import TLS_POLICY, Listener
from aws_cloud_infra.resources.front.load_balancer import LoadBalancer
from aws_cloud_infra.resources.front.target_group import TargetGroup
from tests.aws.account import Account, _refusal, record
from tests.aws.lifecycle import Drift, check_life, quietly, what_changes
from tests.aws.resources.ground import Ground, die_after_each_write, ground

PLAIN, SECURE = "-80", "-443"


def balancing(base: Ground, certificate: str | None = None) -> Callable[[Aws], list[Resource]]:
    def build(aws: Aws) -> list[Resource]:
        balancer = LoadBalancer(aws, aws.prefix, base.group, base.subnets, base.logs)
        targets = TargetGroup(aws, aws.prefix, base.vpc, 8000, "/health")
        listeners = [Listener(aws, f"{aws.prefix}-80", balancer, 80, targets)]
        if certificate:
            listeners = [
                Listener(aws, f"{aws.prefix}-80", balancer, 80, None),
                Listener(aws, f"{aws.prefix}-443", balancer, 443, targets, certificate),
            ]
        return [*base.all, balancer, targets, *listeners]

    return build


def certificate(account: Account, name: str = "forecasts.example.com") -> str:
    acm = account.session().client("acm")
    return str(acm.request_certificate(DomainName=name)["CertificateArn"])


def _attribute(kind: str, key: str, value: str):
    def change(aws: Aws, live: Live) -> None:
        argument = {"load_balancer": "LoadBalancerArn", "target_group": "TargetGroupArn"}[kind]
        modify = getattr(aws.client("elbv2"), f"modify_{kind}_attributes")
        modify(**{argument: live.id, "Attributes": [{"Key": key, "Value": value}]})

    return change


def _health(**settings: Any):
    return lambda aws, live: aws.client("elbv2").modify_target_group(
        TargetGroupArn=live.id, **settings
    )


def _other_subnets(aws: Aws, live: Live) -> None:
    subnets = aws.client("ec2").describe_subnets()["Subnets"]
    kept, _ = live.settings["subnets"]
    (other,) = {item["SubnetId"] for item in subnets} - set(live.settings["subnets"])
    aws.client("elbv2").set_subnets(LoadBalancerArn=live.id, Subnets=[kept, other])


def _other_group(aws: Aws, live: Live) -> None:
    groups = aws.client("ec2").describe_security_groups()["SecurityGroups"]
    (other,) = {item["GroupId"] for item in groups} - set(live.settings["groups"])
    aws.client("elbv2").set_security_groups(LoadBalancerArn=live.id, SecurityGroups=[other])


def _answer_all(aws: Aws, live: Live) -> None:
    answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
    aws.client("elbv2").modify_listener(ListenerArn=live.id, DefaultActions=[answer])


def _redirect_elsewhere(aws: Aws, live: Live) -> None:
    away = {"Protocol": "HTTPS", "Port": "443", "Host": "example.org", "Path": "/#{path}",
            "Query": "#{query}", "StatusCode": "HTTP_301"}  # fmt: skip
    aws.client("elbv2").modify_listener(
        ListenerArn=live.id, DefaultActions=[{"Type": "redirect", "RedirectConfig": away}]
    )


def _side_door(aws: Aws, live: Live) -> None:
    answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}
    aws.client("elbv2").create_rule(
        ListenerArn=live.id,
        Priority=1,
        Conditions=[{"Field": "path-pattern", "Values": ["/hidden"]}],
        Actions=[answer],
    )


def _encrypt(aws: Aws, live: Live) -> None:
    """Let what speaks HTTP speak HTTPS."""
    certificate = aws.client("acm").request_certificate(DomainName="other.example.com")
    aws.client("elbv2").modify_listener(
        ListenerArn=live.id,
        Protocol="HTTPS",
        Certificates=[{"CertificateArn": certificate["CertificateArn"]}],
    )


def _plain_text(aws: Aws, live: Live) -> None:
    """Let what speaks HTTPS speak HTTP."""
    aws.client("elbv2").modify_listener(ListenerArn=live.id, Protocol="HTTP")


def _weak_tls(aws: Aws, live: Live) -> None:
    aws.client("elbv2").modify_listener(ListenerArn=live.id, SslPolicy="ELBSecurityPolicy-2016-08")


def _other_certificate(aws: Aws, live: Live) -> None:
    other = aws.client("acm").request_certificate(DomainName="other.example.com")
    aws.client("elbv2").modify_listener(
        ListenerArn=live.id, Certificates=[{"CertificateArn": other["CertificateArn"]}]
    )


BALANCER = [
    Drift(LoadBalancer, "address_type", lambda aws, live: aws.client("elbv2").set_ip_address_type(
        LoadBalancerArn=live.id, IpAddressType="dualstack")),
    Drift(LoadBalancer, "groups", _other_group),
    Drift(LoadBalancer, "subnets", _other_subnets),
    *(Drift(LoadBalancer, f"attributes.{key}", _attribute("load_balancer", key, value))
      for key, value in {
          "access_logs.s3.enabled": "false",
          "access_logs.s3.bucket": "another",
          "deletion_protection.enabled": "true",
          "idle_timeout.timeout_seconds": "4000",
          "routing.http.desync_mitigation_mode": "monitor",
          "routing.http.drop_invalid_header_fields.enabled": "false",
          "routing.http2.enabled": "false",
      }.items()),
    Drift(TargetGroup, "health.HealthCheckProtocol", _health(HealthCheckProtocol="HTTPS")),
    Drift(TargetGroup, "health.HealthCheckPort", _health(HealthCheckPort="9")),
    Drift(TargetGroup, "health.HealthCheckPath", _health(HealthCheckPath="/")),
    Drift(TargetGroup, "health.HealthCheckIntervalSeconds",
          _health(HealthCheckIntervalSeconds=300)),
    Drift(TargetGroup, "health.HealthCheckTimeoutSeconds", _health(HealthCheckTimeoutSeconds=120)),
    Drift(TargetGroup, "health.HealthyThresholdCount", _health(HealthyThresholdCount=10)),
    Drift(TargetGroup, "health.UnhealthyThresholdCount", _health(UnhealthyThresholdCount=10)),
    Drift(TargetGroup, "health.Matcher", _health(Matcher={"HttpCode": "200-499"})),
    *(Drift(TargetGroup, f"attributes.{key}", _attribute("target_group", key, value))
      for key, value in {
          "deregistration_delay.timeout_seconds": "3599",
          "load_balancing.algorithm.type": "round_robin",
          "stickiness.enabled": "true",
      }.items()),
]  # fmt: skip
WITHOUT_TLS = [
    Drift(Listener, "action", _answer_all),
    Drift(Listener, "protocol", _encrypt),
    Drift(Listener, "rules", _side_door),
]
WITH_TLS = [
    Drift(Listener, "action", _redirect_elsewhere, PLAIN),
    Drift(Listener, "action", _answer_all, SECURE),
    Drift(Listener, "protocol", _plain_text, SECURE),
    Drift(Listener, "tls.policy", _weak_tls, SECURE),
    Drift(Listener, "tls.certificate", _other_certificate, SECURE),
    Drift(Listener, "rules", _side_door, SECURE),
]


def test_a_balancer_is_made_healed_and_removed(account: Account) -> None:
    check_life(account, balancing(ground(account.aws())), [*BALANCER, *WITHOUT_TLS])


def test_with_a_certificate_it_speaks_https_and_sends_browsers_there(account: Account) -> None:
    build = balancing(ground(account.aws()), certificate(account))
    check_life(account, build, [*BALANCER, *WITH_TLS])


def test_a_certificate_may_come_later_and_go_again(account: Account) -> None:
    base = ground(account.aws())
    apply(plan(balancing(base)(account.aws())), quietly)
    secure = balancing(base, certificate(account))(account.aws())
    first, second = plan(secure)[-2:]
    assert (Action.UPDATE, ["action"]) == (
        first.action,
        [item.setting for item in first.differences],
    )
    assert Action.CREATE is second.action
    apply(plan(secure), quietly)
    assert {80: "HTTP", 443: "HTTPS"} == ports(account)
    plain = balancing(base)(account.aws())
    apply(plan(plain), quietly)
    assert {} == what_changes(plan(plain))


def ports(account: Account) -> dict[int, str]:
    elbv2 = account.session().client("elbv2")
    (balancer,) = elbv2.describe_load_balancers()["LoadBalancers"]
    listeners = elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    assert len({item["Port"] for item in listeners}) == len(listeners), "one listener a port"
    return {item["Port"]: item["Protocol"] for item in listeners}


def count(account: Account) -> tuple[int, int, int]:
    elbv2 = account.session().client("elbv2")
    balancers = elbv2.describe_load_balancers()["LoadBalancers"]
    listeners = [
        listener
        for item in balancers
        for listener in elbv2.describe_listeners(LoadBalancerArn=item["LoadBalancerArn"])[
            "Listeners"
        ]
    ]
    return len(balancers), len(elbv2.describe_target_groups()["TargetGroups"]), len(listeners)


def test_killed_after_any_write_it_never_makes_a_second_one(account: Account) -> None:
    build = balancing(ground(account.aws()), certificate(account))
    assert die_after_each_write(account, build) >= 3
    assert {} == what_changes(plan(build(account.aws())))
    assert (1, 1, 2) == count(account)


def test_a_protected_balancer_is_deleted_all_the_same(account: Account) -> None:
    aws = account.aws()
    balancer = LoadBalancer(aws, aws.prefix, *first_three(account))
    apply(plan([*balancer.needs, balancer]), quietly)
    live = balancer.find()
    assert live is not None
    _attribute("load_balancer", "deletion_protection.enabled", "true")(aws, live)
    live = balancer.find()
    assert live is not None
    session = account.session()
    calls = record(session)
    again = LoadBalancer(
        account.aws(session), aws.prefix, balancer.group, balancer.subnets, balancer.logs
    )
    again.delete(live)
    assert ("elastic-load-balancing-v2", "ModifyLoadBalancerAttributes") == calls.writes[0]
    assert balancer.find() is None
    again.delete(live)


def first_three(account: Account) -> tuple[Resource, tuple[Resource, ...], Resource]:
    base = ground(account.aws())
    return base.group, base.subnets, base.logs


def test_a_bucket_whose_policy_is_seconds_old_is_tried_again(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", waited.append)
    session = account.session()
    denied = iter(["Access Denied for bucket: access-logs. Please check S3bucket permission"])

    def refuse(request: Any, **_: Any) -> AWSResponse | None:
        said = next(denied, None)
        return said and _refusal(request, "InvalidConfigurationRequest", said, 400)

    call = "before-send.elastic-load-balancing-v2.ModifyLoadBalancerAttributes"
    session.events.register(call, refuse)
    group, subnets, logs = first_three(account)
    aws = account.aws(session)
    balancer = LoadBalancer(aws, aws.prefix, group, subnets, logs)
    apply(plan([*balancer.needs, balancer]), quietly)
    assert 1 == len(waited)
    live = balancer.find()
    assert live is not None
    attributes = live.settings["attributes"]
    assert {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "access-logs"} == {
        name: value for name, value in attributes.items() if name.startswith("access_logs")
    }


def test_one_that_is_still_being_made_is_waited_for(account: Account) -> None:
    session = account.session()
    states = iter(["provisioning", "provisioning", "active"])

    def tell(parsed: dict[str, Any], **_: Any) -> None:
        for item in parsed.get("LoadBalancers", ()):
            item["State"]["Code"] = next(states, "active")

    aws = account.aws()
    group, subnets, logs = first_three(account)
    made = LoadBalancer(aws, aws.prefix, group, subnets, logs)
    apply(plan([*made.needs, made]), quietly)
    session.events.register("after-call.elastic-load-balancing-v2.DescribeLoadBalancers", tell)
    calls = record(session)
    waiting = LoadBalancer(account.aws(session), aws.prefix, group, subnets, logs)
    changes = plan([*waiting.needs, waiting])
    assert {"load balancer sales-forecast-production": ["status"]} == what_changes(changes)
    next(states)
    apply(changes, quietly)
    assert [] == calls.writes


def test_an_impaired_one_is_kept_and_told_about(account: Account) -> None:
    session = account.session()
    aws = account.aws()
    group, subnets, logs = first_three(account)
    made = LoadBalancer(aws, aws.prefix, group, subnets, logs)
    apply(plan([*made.needs, made]), quietly)

    def tell(parsed: dict[str, Any], **_: Any) -> None:
        for item in parsed["LoadBalancers"]:
            item["State"]["Code"] = "active_impaired"

    session.events.register("after-call.elastic-load-balancing-v2.DescribeLoadBalancers", tell)
    impaired = LoadBalancer(account.aws(session), aws.prefix, group, subnets, logs)
    assert {} == what_changes(plan([*impaired.needs, impaired]))
    live = impaired.find()
    assert live is not None
    assert ("AWS calls it impaired",) == live.notes


def test_its_address_is_a_fact(account: Account) -> None:
    aws = account.aws()
    group, subnets, logs = first_three(account)
    balancer = LoadBalancer(aws, aws.prefix, group, subnets, logs)
    lives = apply(plan([*balancer.needs, balancer]), quietly)
    ids = Ids()
    assert "(dns of load balancer sales-forecast-production, to be made)" == ids.fact(
        balancer, "dns"
    )
    ids.know(balancer, lives[balancer])
    assert ids.fact(balancer, "dns").endswith("elb.amazonaws.com")


def test_another_listener_of_the_port_without_our_tags_is_refused(account: Account) -> None:
    base = ground(account.aws())
    resources = balancing(base)(account.aws())
    apply(plan(resources[:-1]), quietly)
    aws = account.aws()
    balancer = resources[-3].find()
    assert balancer is not None
    answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
    aws.client("elbv2").create_listener(
        LoadBalancerArn=balancer.id, Port=80, Protocol="HTTP", DefaultActions=[answer]
    )
    with pytest.raises(NotOurs, match="listener sales-forecast-production-80"):
        apply(plan(resources), quietly)


def test_a_target_group_of_somebody_else_is_refused(account: Account) -> None:
    resources = balancing(ground(account.aws()))(account.aws())
    account.session().client("elbv2").create_target_group(
        Name="sales-forecast-production", TargetType="lambda"
    )
    with pytest.raises(NotOurs, match="target group"):
        apply(plan(resources), quietly)


def test_it_costs_two_addresses_and_a_unit_of_capacity(account: Account) -> None:
    balancer = LoadBalancer(account.aws(), "balancer", *first_three(account))
    assert (
        ("alb hour", 730),
        ("alb capacity unit hour", 730),
        ("public address hour", 1460),
    ) == balancer.prices


def test_the_default_tls_policy_knows_nothing_older_than_1_2() -> None:
    assert "TLS13-1-2" in TLS_POLICY
