"""The service's name: its certificate, what proves it, and its record, on an emulated account."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.endpoint
import pytest
from botocore.exceptions import ClientError

from aws_cloud_infra.account.clients import Aws, as_tags
from aws_cloud_infra.account.errors import AwsRefused, NotOurs
from aws_cloud_infra.engine import policy
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan, plan_stack
from aws_cloud_infra.engine.resource import Found, Live, Resource
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.resources.front import certificate as certificates
from aws_cloud_infra.resources.front.certificate import Certificate
from aws_cloud_infra.resources.front.former_names import FormerNames
from aws_cloud_infra.resources.front.hosted_zone import HostedZone
from aws_cloud_infra.resources.front.listener import Listener
from aws_cloud_infra.resources.front.load_balancer import LoadBalancer
from aws_cloud_infra.resources.front.record import Record
from aws_cloud_infra.resources.front.target_group import TargetGroup
from aws_cloud_infra.stacks import both
from tests.aws.account import Account, Killer, answer_with, is_read, record
from tests.aws.faults import LOST, disturb
from tests.aws.lifecycle import NOBODY, Drift, check_life, quietly, what_changes
from tests.aws.resources.ground import deaths_of, die_after_each_write, ground
from tests.aws.resources.test_balancer import ports
from tests.aws.trace import denied, trace

DOMAIN = "forecasts.example.com"


@dataclass(frozen=True, eq=False)
class Door(Found):
    """A load balancer that is there."""

    kind = "load balancer"
    permissions = ()

    @staticmethod
    def dns(number: int) -> str:
        return f"sales-forecast-production-{number}.eu-central-1.elb.amazonaws.com"

    def find(self) -> Live:
        return Live("arn", {}, None, facts={"dns": self.dns(1), "zone": "Z11111111"})


@pytest.fixture
def zone(account: Account) -> str:
    return make_zone(account)


def make_zone(account: Account, name: str = "example.com", **config: Any) -> str:
    answer = account.session().client("route53").create_hosted_zone(
        Name=name, CallerReference=name, **config
    )  # fmt: skip
    return str(answer["HostedZone"]["Id"]).rpartition("/")[2]


def with_a_name(account: Account, zone: str) -> Callable[[Aws], list[Resource]]:
    """Return what builds a load balancer with a name, and the settings that it is for."""
    base = ground(account.aws())

    def build(aws: Aws) -> list[Resource]:
        aws.settings = aws.settings.model_copy(update={"domain": DOMAIN, "hosted_zone_id": zone})
        hosted = HostedZone(aws, zone, DOMAIN)
        balancer = LoadBalancer(aws, aws.prefix, base.group, base.subnets, base.logs)
        targets = TargetGroup(aws, aws.prefix, base.vpc, 8000, "/health")
        certificate = Certificate(aws, DOMAIN, hosted)
        return [
            *base.all, hosted, balancer, targets, certificate,
            Record(aws, DOMAIN, hosted, certificate, balancer),
            Listener(aws, f"{aws.prefix}-80", balancer, 80, None),
            Listener(aws, f"{aws.prefix}-443", balancer, 443, targets, certificate),
        ]  # fmt: skip

    return build


def proof(account: Account, zone: str) -> Certificate:
    aws = account.aws(domain=DOMAIN, hosted_zone_id=zone)
    return Certificate(aws, DOMAIN, HostedZone(aws, zone, DOMAIN))


def records(account: Account, zone: str) -> dict[str, str]:
    """Return the records that are not the zone's own, by name: where they point."""
    found = account.session().client("route53").list_resource_record_sets(HostedZoneId=zone)
    return {
        f"{item['Type']} {item['Name'].rstrip('.')}": item.get("AliasTarget", {}).get("DNSName")
        or item["ResourceRecords"][0]["Value"]
        for item in found["ResourceRecordSets"]
        if item["Type"] not in {"NS", "SOA"}
    }


def write(account: Account, zone: str, action: str = "UPSERT", **change: Any) -> None:
    account.session().client("route53").change_resource_record_sets(
        HostedZoneId=zone,
        ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": {"TTL": 60, **change}}]},
    )


def the_proof(account: Account) -> dict[str, str]:
    acm = account.session().client("acm")
    arn = acm.list_certificates()["CertificateSummaryList"][0]["CertificateArn"]
    described = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    answer: dict[str, str] = described["DomainValidationOptions"][0]["ResourceRecord"]
    return answer


def write_proof(account: Account, zone: str, value: str = "") -> None:
    told = the_proof(account)
    values = [{"Value": value or told["Value"]}]
    write(account, zone, Name=told["Name"], Type="CNAME", ResourceRecords=values)


def test_a_name_is_made_healed_and_removed(account: Account, zone: str) -> None:
    def without_proof(aws: Aws, live: Live) -> None:
        told = the_proof(account)
        values = [{"Value": told["Value"]}]
        write(account, zone, "DELETE", Name=told["Name"], Type="CNAME", TTL=300,
              ResourceRecords=values)  # fmt: skip

    def elsewhere(**target: str) -> Callable[[Aws, Live], None]:
        def change(aws: Aws, live: Live) -> None:
            there = {"DNSName": live.settings["points_to"], "HostedZoneId": live.settings["zone"]}
            aws.client("route53").change_resource_record_sets(
                HostedZoneId=zone,
                ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": {
                    "Name": DOMAIN, "Type": "A",
                    "AliasTarget": {**there, **target, "EvaluateTargetHealth": False},
                }}]},
            )  # fmt: skip

        return change

    def build(aws: Aws) -> list[Resource]:
        aws.settings = aws.settings.model_copy(update={"domain": DOMAIN, "hosted_zone_id": zone})
        hosted, door = HostedZone(aws, zone, DOMAIN), Door(aws, aws.prefix)
        certificate = Certificate(aws, DOMAIN, hosted)
        return [hosted, door, certificate, Record(aws, DOMAIN, hosted, certificate, door)]

    drifts = [
        Drift(Certificate, "proof", without_proof),
        Drift(Certificate, "proof", lambda aws, live: write_proof(account, zone, "_wrong.aws")),
        Drift(Record, "points_to", elsewhere(DNSName=f"dualstack.{Door.dns(2)}")),
        Drift(Record, "zone", elsewhere(HostedZoneId="Z00000000")),
    ]
    check_life(account, build, drifts)
    assert {} == records(account, zone)
    assert [] == account.session().client("acm").list_certificates()["CertificateSummaryList"]


def test_killed_after_any_write_it_never_makes_a_second_one(account: Account, zone: str) -> None:
    build = with_a_name(account, zone)
    assert die_after_each_write(account, build) >= 3
    assert {} == what_changes(plan(build(account.aws())))
    certificates = account.session().client("acm").list_certificates()["CertificateSummaryList"]
    assert [DOMAIN] == [item["DomainName"] for item in certificates]
    assert {f"A {DOMAIN}", f"CNAME {the_proof(account)['Name'].rstrip('.')}"} == set(
        records(account, zone)
    )


def test_answers_that_are_lost_make_nothing_twice_and_leave_nothing(
    account: Account, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda _: None)
    session = account.session()
    faults = disturb(session, lambda call: None if is_read(call) else LOST)
    aws = account.aws(session)
    hosted, door = HostedZone(aws, zone, DOMAIN), Door(aws, aws.prefix)
    certificate = Certificate(aws, DOMAIN, hosted)
    named = (certificate, Record(aws, DOMAIN, hosted, certificate, door))
    stack = Stack("this", (), (hosted, door, *named))
    apply(plan(stack.resources), quietly)
    assert {} == what_changes(plan(stack.resources))
    acm = account.session().client("acm")
    assert 1 == len(acm.list_certificates()["CertificateSummaryList"])
    destroy(plan_destroy(stack, NOBODY, include_data=True), quietly)
    assert ({}, []) == (records(account, zone), acm.list_certificates()["CertificateSummaryList"])
    assert 7 == len(faults.of(LOST)), "request, mark, two records; and the three deleted"


@pytest.mark.parametrize(
    ("said", "done"),
    [("but it was not found", True), ("but the values do not match the current values", False)],
)
def test_a_record_that_is_gone_already_counts_as_deleted(
    account: Account, zone: str, said: str, *, done: bool
) -> None:
    session = account.session()
    said = f"[Tried to delete resource record set [name='a.', type='A'] {said}]"
    answer_with(session, "route-53.ChangeResourceRecordSets", "InvalidChangeBatch", said, 400)
    hosted = HostedZone(account.aws(session), zone, DOMAIN)
    with nullcontext() if done else pytest.raises(ClientError, match="do not match"):
        hosted.delete_record({"Name": "a.", "Type": "A"})


def told_as(account: Account, certificate: str, proof: str) -> Any:
    """Return a session in which AWS tells such a status of a certificate and of its proof."""
    session = account.session()

    def tell(parsed: dict[str, Any], **_: Any) -> None:
        told = parsed["Certificate"]
        told["Status"] = certificate
        told["DomainValidationOptions"][0]["ValidationStatus"] = proof

    session.events.register("after-call.acm.DescribeCertificate", tell)
    return session


def test_one_that_is_not_valid_yet_is_waited_for_and_not_asked_for_again(
    account: Account, zone: str
) -> None:
    made = proof(account, zone)
    apply(plan([made.zone, made]), quietly)
    session = told_as(account, "PENDING_VALIDATION", "SUCCESS")
    calls = record(session)
    aws = account.aws(session)
    waiting = Certificate(aws, DOMAIN, HostedZone(aws, zone, DOMAIN))
    changes = plan([waiting.zone, waiting])
    assert {f"certificate {DOMAIN} in {zone}": ["status"]} == what_changes(changes)
    apply(changes, quietly)
    assert [] == calls.writes


def test_a_name_whose_zone_the_world_does_not_ask_is_said_so(
    account: Account, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "_OFTEN", {"Delay": 0, "MaxAttempts": 2})
    aws = account.aws(told_as(account, "PENDING_VALIDATION", "PENDING_VALIDATION"))
    certificate = Certificate(aws, DOMAIN, HostedZone(aws, zone, DOMAIN))
    with pytest.raises(AwsRefused) as refused:
        apply(plan([certificate.zone, certificate]), quietly)
    assert f"is hosted zone {zone} the one that the world asks" in refused.value.message
    assert 1 == len(records(account, zone)), "the proof is there: the next run waits again"


def test_a_domain_that_forbids_amazon_is_said_so(account: Account, zone: str) -> None:
    session = told_as(account, "FAILED", "FAILED")

    def tell(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Certificate"]["FailureReason"] = "CAA_ERROR"

    session.events.register("after-call.acm.DescribeCertificate", tell)
    aws = account.aws(session)
    certificate = Certificate(aws, DOMAIN, HostedZone(aws, zone, DOMAIN))
    certificate.create({})
    live = proof(account, zone).find()
    assert live is not None
    with pytest.raises(AwsRefused, match=r"AWS gives none \(CAA_ERROR\)"):
        certificate.configure(live, {}, {"status"})


def test_one_that_timed_out_is_asked_for_anew(account: Account, zone: str) -> None:
    made = proof(account, zone)
    apply(plan([made.zone, made]), quietly)
    aws = account.aws(told_as(account, "VALIDATION_TIMED_OUT", "FAILED"))
    timed_out = Certificate(aws, DOMAIN, HostedZone(aws, zone, DOMAIN))
    assert [Action.KEEP, Action.CREATE] == [
        change.action for change in plan([timed_out.zone, timed_out])
    ]


def test_a_proof_that_was_there_before_or_is_needed_by_another_stays(
    account: Account, zone: str
) -> None:
    acm = account.session().client("acm")
    other = acm.request_certificate(DomainName=DOMAIN, ValidationMethod="DNS")["CertificateArn"]
    made = proof(account, zone)
    stack = Stack("this", (), (made.zone, made))

    def make_and_unmake() -> None:
        apply(plan(stack.resources), quietly)
        destroy(plan_destroy(stack, NOBODY, include_data=True), quietly)

    make_and_unmake()
    assert 1 == len(records(account, zone)), "the other one needs what was made for this one"
    acm.delete_certificate(CertificateArn=other)
    make_and_unmake()
    assert 1 == len(records(account, zone)), "it was there before"
    (left,) = records(account, zone).items()
    write(account, zone, "DELETE", Name=left[0].split()[1], Type="CNAME", TTL=300,
          ResourceRecords=[{"Value": left[1]}])  # fmt: skip
    make_and_unmake()
    assert {} == records(account, zone)


@pytest.mark.parametrize(("kind", "value"), [("A", "192.0.2.1"), ("CNAME", "shop.example.org")])
def test_a_record_that_points_elsewhere_is_refused_and_never_deleted(
    account: Account, zone: str, kind: str, value: str
) -> None:
    write(account, zone, Name=DOMAIN, Type=kind, ResourceRecords=[{"Value": value}])
    before = records(account, zone)
    resources = with_a_name(account, zone)(account.aws())
    with pytest.raises(NotOurs) as refused:
        apply(plan(resources), quietly)
    assert (
        f"record {DOMAIN} in {zone} is there already and is not ours ({kind} {value}): delete it, "
        "or give another domain."
    ) == refused.value.message
    stack = Stack("this", (), tuple(resources))
    destroy(plan_destroy(stack, NOBODY, include_data=True), quietly)
    assert before == records(account, zone)


def test_a_zone_that_cannot_hold_the_name_is_named(account: Account, zone: str) -> None:
    private = make_zone(
        account, "example.com.", VPC={"VPCRegion": "eu-central-1", "VPCId": "vpc-12345678"},
        HostedZoneConfig={"PrivateZone": True},
    )  # fmt: skip
    aws = account.aws()
    for name, domain, said in (
        ("Z00000000", DOMAIN, "There is no hosted zone Z00000000 in this account: correct"),
        (private, DOMAIN, f"hosted zone {private} (example.com) is private"),
        (zone, "forecasts.example.org", "is of example.com, and forecasts.example.org is not in"),
        (zone, "badexample.com", "is of example.com, and badexample.com is not in that"),
    ):
        with pytest.raises(AwsRefused) as refused:
            HostedZone(aws, name, domain).find()
        assert said in refused.value.message
    assert zone == HostedZone(aws, zone, "example.com").find().id


def test_a_service_gets_its_name_and_another_and_gives_them_back(
    account: Account, zone: str
) -> None:
    """Over HTTP, by a name, by one of another zone, by a certificate of somebody's, over HTTP."""
    plain, _ = both(account.aws())
    lives = apply(plan(plain.resources), quietly)
    assert plain.outputs(lives)["service_url"].startswith("http://sales-forecast-production")
    named = {"domain": DOMAIN, "hosted_zone_id": zone}
    serving, _ = both(account.aws(**named))
    lives = apply(plan_stack(serving), quietly)
    assert f"https://{DOMAIN}" == serving.outputs(lives)["service_url"]
    assert {} == what_changes(plan_stack(serving))
    ec2 = account.session().client("ec2")
    (group,) = ec2.describe_security_groups(
        Filters=[{"Name": "group-name", "Values": ["sales-forecast-production-balancer"]}]
    )["SecurityGroups"]
    assert {80, 443} == {rule["FromPort"] for rule in group["IpPermissions"]}
    assert {80: "HTTP", 443: "HTTPS"} == ports(account)

    # Another name: the process dies after each of its writes, and the next one goes on.
    other, other_zone = "sales.example.net", make_zone(account, "example.net")
    renamed = {"domain": other, "hosted_zone_id": other_zone}
    session = account.session()
    killer, calls = Killer(session), trace(session)
    order: list[str] = []

    def note(event_name: str, request: Any, **_: Any) -> None:
        name = event_name.rsplit(".", 1)[1]
        if name == "ModifyListener" or "DELETE" in str(request.body):
            order.append(name)

    session.events.register("before-send.*.*", note)  # who was killed before sends nothing
    serving, _ = both(account.aws(session, **renamed))
    changes = what_changes(plan_stack(serving))
    assert (
        ["delete"]
        == changes[f"certificate {DOMAIN} in {zone}"]
        == changes[f"record {DOMAIN} in {zone}"]
    )
    deaths = deaths_of(killer, lambda: apply(plan_stack(serving), quietly))
    assert deaths > 5, "request, mark, proof, listener, record; then record, proof, certificate"
    killer.rest()
    assert ["ModifyListener", *["ChangeResourceRecordSets"] * 2] == order, "served before it goes"
    assert {} == records(account, zone)
    assert {f"A {other}", f"CNAME {the_proof(account)['Name'].rstrip('.')}"} == set(
        records(account, other_zone)
    )
    assert [other] == certificates_there(account)
    # What names the former zone is in the policies of the former settings alone.
    printed = policy.statements(serving.resources, serving.retired)
    beyond = {call.split()[0] for call in denied(printed, calls)}
    assert {"route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets"} == beyond
    before, _ = both(account.aws(**named))
    assert set() == denied([*printed, *policy.statements(before.resources)], calls)

    acm = account.session().client("acm")
    arn = acm.request_certificate(DomainName="mine.example.org", ValidationMethod="DNS",
                                  Tags=as_tags(account.aws().tags))["CertificateArn"]  # fmt: skip
    given, _ = both(account.aws(certificate_arn=arn))
    apply(plan_stack(given), quietly)
    assert ({}, ["mine.example.org"]) == (records(account, other_zone), certificates_there(account))
    assert {80: "HTTP", 443: "HTTPS"} == ports(account)

    apply(plan_stack(plain), quietly)
    assert {80: "HTTP"} == ports(account)
    assert ["mine.example.org"] == certificates_there(account), "nobody's of ours"


def test_a_former_name_that_now_is_somebody_elses_stays_and_without_its_zone_the_rest_goes(
    account: Account, zone: str
) -> None:
    aws = account.aws(domain=DOMAIN, hosted_zone_id=zone)
    hosted, door = HostedZone(aws, zone, DOMAIN), Door(aws, aws.prefix)
    certificate = Certificate(aws, DOMAIN, hosted)
    made = (hosted, door, certificate, Record(aws, DOMAIN, hosted, certificate, door))
    apply(plan(made), quietly)
    write(account, zone, Name=DOMAIN, Type="A", ResourceRecords=[{"Value": "192.0.2.1"}])
    former = Stack("this", (), (door, FormerNames(account.aws(), aws.prefix, door)))
    assert {f"certificate {DOMAIN} in {zone}"} == set(what_changes(plan_stack(former)))
    assert {f"certificate {DOMAIN} in {zone}"} == {
        str(item.resource)
        for item in plan_destroy(former, NOBODY, include_data=False)
        if item.action is Action.DELETE
    }
    told = the_proof(account)
    write(account, zone, "DELETE", Name=DOMAIN, Type="A", ResourceRecords=[{"Value": "192.0.2.1"}])
    write(account, zone, "DELETE", Name=told["Name"], Type="CNAME", TTL=300,
          ResourceRecords=[{"Value": told["Value"]}])  # fmt: skip
    account.session().client("route53").delete_hosted_zone(Id=zone)
    apply(plan_stack(former), quietly)
    assert [] == certificates_there(account)


def test_a_name_moves_to_another_zone_and_nothing_of_it_stays_in_the_one_before(
    account: Account, zone: str
) -> None:
    def stack(session: boto3.Session, zone: str) -> Stack:
        aws = account.aws(session, domain=DOMAIN, hosted_zone_id=zone)
        hosted, door = HostedZone(aws, zone, DOMAIN), Door(aws, aws.prefix)
        certificate = Certificate(aws, DOMAIN, hosted)
        made = (hosted, door, certificate, Record(aws, DOMAIN, hosted, certificate, door))
        return Stack("this", (), (FormerNames(aws, aws.prefix, door), *made))

    session = account.session()
    killer = Killer(session)
    apply(plan_stack(stack(session, zone)), quietly)
    own = make_zone(account, DOMAIN)
    for before, after in ((zone, own), (own, zone)):
        assert {
            f"certificate {DOMAIN} in {before}": ["delete"],
            f"record {DOMAIN} in {before}": ["delete"],
        }.items() <= what_changes(plan_stack(stack(session, after))).items()
        assert (
            deaths_of(killer, lambda to=after: apply(plan_stack(stack(session, to)), quietly)) > 5
        )
        killer.rest()
        assert {} == what_changes(plan_stack(stack(session, after))) == records(account, before)
        name = the_proof(account)["Name"].rstrip(".")
        assert {f"A {DOMAIN}", f"CNAME {name}"} == set(records(account, after))
        assert [DOMAIN] == certificates_there(account)
    destroy(plan_destroy(stack(session, zone), NOBODY, include_data=False), quietly)
    assert {} == records(account, zone)


def certificates_there(account: Account) -> list[str]:
    listed = account.session().client("acm").list_certificates()["CertificateSummaryList"]
    return [item["DomainName"] for item in listed]
