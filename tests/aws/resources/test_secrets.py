"""Secrets and parameters on an emulated account."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from aws_cloud_infra.account.clients import Aws, as_tags
from aws_cloud_infra.account.errors import NotOurs
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Found, Ids, Live, Resource
from aws_cloud_infra.resources.data.parameter import Parameter
from aws_cloud_infra.resources.data.secret import Secret
from aws_cloud_infra.resources.references import FromFact
from tests.aws.account import Account
from tests.aws.lifecycle import Drift, check_life, quietly, what_changes

URI = "/sales-forecast/production/mlflow-tracking-uri"


@dataclass(frozen=True, eq=False)
class Host(Found):
    address: str = "10.20.0.9"

    kind = "instance"
    permissions = ()

    def find(self) -> Live:
        return Live("i-1", {}, None, facts={"address": self.address})


def kept(aws: Aws) -> Sequence[Resource]:
    host = Host(aws, "mlflow")
    return [
        host,
        Secret(aws, f"{aws.prefix}-api-key", "API_KEY of the service", generated=True),
        Secret(aws, f"{aws.prefix}-database-url", "the MLflow host writes it", generated=False),
        Parameter(aws, URI, "where MLflow is", FromFact(host, "address", "http://{}:5000"), "-"),
        Parameter(aws, f"{URI}-fixed", "where MLflow is", "http://mlflow", "-"),
        Parameter(aws, f"{URI}-of-others", "where MLflow is", None, "sqlite:///var/mlflow.db"),
    ]


def _share(aws: Aws, live: Live) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::999999999999:root"},
        "Action": "secretsmanager:GetSecretValue",
        "Resource": "*",
    }
    aws.client("secretsmanager").put_resource_policy(
        SecretId=live.id, ResourcePolicy=json.dumps({"Statement": [statement]})
    )


def _without_value(aws: Aws, live: Live) -> None:
    client = aws.client("secretsmanager")
    for version, labels in client.describe_secret(SecretId=live.id)["VersionIdsToStages"].items():
        if "AWSCURRENT" in labels:
            client.update_secret_version_stage(
                SecretId=live.id, VersionStage="AWSCURRENT", RemoveFromVersionId=version
            )


def _put(**more: Any):
    def change(aws: Aws, live: Live) -> None:
        name = "/" + live.id.partition("parameter/")[2]
        found = aws.client("ssm").get_parameter(Name=name)["Parameter"]
        aws.client("ssm").put_parameter(
            **{"Name": name, "Value": found["Value"], "Overwrite": True, **more}
        )

    return change


def _of(operation: str, **arguments: Any):
    return lambda aws, live: getattr(aws.client("secretsmanager"), operation)(
        SecretId=live.id, **arguments
    )


DRIFTS = [
    Drift(Secret, "purpose", _of("update_secret", Description="?"), "api-key"),
    Drift(Secret, "purpose", _of("update_secret", Description="?"), "database-url"),
    Drift(Secret, "key", _of("update_secret", KmsKeyId="alias/another"), "api-key"),
    Drift(Secret, "shared", _share, "database-url"),
    Drift(Secret, "has_value", _without_value, "api-key"),
    Drift(Secret, "purpose", _of("delete_secret", RecoveryWindowInDays=7), "api-key"),
    Drift(Parameter, "purpose", _put(Description="?")),
    Drift(Parameter, "value", _put(Value="http://elsewhere")),
    Drift(Parameter, "value", _put(Value="http://elsewhere"), "fixed"),
]


def test_secrets_and_parameters_are_made_healed_and_removed(account: Account) -> None:
    check_life(account, kept, DRIFTS)


def _value(aws: Aws, name: str) -> str:
    return aws.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]


def test_a_generated_secret_is_random_and_kept(account: Account) -> None:
    aws = account.aws()
    first, second = (Secret(aws, name, "key", generated=True) for name in ("one", "two"))
    apply(plan([first, second]), quietly)
    made = _value(aws, "one")

    apply(plan([first, second]), quietly)

    assert 40 == len(made)
    assert made.isalnum()
    assert made != _value(aws, "two")
    assert made == _value(aws, "one")


def test_the_value_of_a_secret_appears_nowhere(account: Account) -> None:
    aws = account.aws()
    secret = Secret(aws, "one", "key", generated=True)
    apply(plan([secret]), quietly)

    seen = repr((plan([secret]), secret.find(), secret.desired(Ids())))

    assert _value(aws, "one") not in seen


def test_a_secret_of_another_hand_waits_for_its_value_and_keeps_it(account: Account) -> None:
    aws = account.aws()
    secret = Secret(aws, "url", "the MLflow host writes it", generated=False)
    apply(plan([secret]), quietly)
    empty = secret.find()
    assert empty is not None
    assert ("has no value yet: the MLflow host writes it",) == empty.notes

    aws.client("secretsmanager").put_secret_value(SecretId="url", SecretString="mysql://")
    changes = plan([secret])
    apply(changes, quietly)

    assert {} == what_changes(changes)
    assert changes[0].live is not None
    assert () == changes[0].live.notes
    assert "mysql://" == _value(aws, "url")


def test_a_secret_marked_for_deletion_is_taken_back_with_its_value(account: Account) -> None:
    aws = account.aws()
    secret = Secret(aws, "one", "key", generated=True)
    apply(plan([secret]), quietly)
    made = _value(aws, "one")
    aws.client("secretsmanager").delete_secret(SecretId="one", RecoveryWindowInDays=7)

    assert [Action.CREATE] == [change.action for change in plan([secret])]
    apply(plan([secret]), quietly)

    assert {} == what_changes(plan([secret]))
    assert made == _value(aws, "one")


def test_one_of_somebody_else_that_is_marked_for_deletion_is_left(account: Account) -> None:
    aws = account.aws()
    client = aws.client("secretsmanager")
    client.create_secret(Name="one", SecretString="theirs")
    client.delete_secret(SecretId="one", RecoveryWindowInDays=7)

    with pytest.raises(NotOurs, match="without our tags waits for its deletion"):
        apply(plan([Secret(aws, "one", "key", generated=True)]), quietly)

    assert client.describe_secret(SecretId="one")["DeletedDate"]


def test_policies_name_a_secret_before_it_exists(account: Account) -> None:
    aws = account.aws()
    secret = Secret(aws, "one", "key", generated=True)

    pattern = secret.arn
    apply(plan([secret]), quietly)

    live = secret.find()
    assert live is not None
    assert "arn:aws:secretsmanager:eu-central-1:123456789012:secret:one-??????" == pattern
    assert (pattern[:-6], 6) == (live.id[:-6], len(live.id.rpartition("-")[2]))


def test_the_value_of_a_parameter_of_others_is_never_written_over(account: Account) -> None:
    aws = account.aws()
    parameter = Parameter(aws, URI, "where MLflow is", None, "sqlite:///var/mlflow.db")
    apply(plan([parameter]), quietly)
    made = parameter.find()
    assert made is not None
    assert {"value": "sqlite:///var/mlflow.db"} == made.facts

    aws.client("ssm").put_parameter(
        Name=URI, Value="http://10.20.0.9:5000", Description="moved", Overwrite=True
    )
    changes = plan([parameter])
    apply(changes, quietly)

    assert {} == what_changes(changes)
    assert (
        "http://10.20.0.9:5000" == aws.client("ssm").get_parameter(Name=URI)["Parameter"]["Value"]
    )


def test_a_parameter_follows_the_fact_it_is_made_of(account: Account) -> None:
    aws = account.aws()
    parameters = [
        Parameter(aws, URI, "where MLflow is", FromFact(host, "address", "http://{}:5000"), "-")
        for host in (Host(aws, "old"), Host(aws, "new", "10.20.0.10"))
    ]
    for parameter in parameters:
        assert 1 == len(parameter.needs)
        apply(plan([*parameter.needs, parameter]), quietly)

    live = parameters[0].find()
    assert live is not None
    assert {"value": "http://10.20.0.10:5000"} == live.facts


def test_a_parameter_of_another_type_is_refused(account: Account) -> None:
    aws = account.aws()
    aws.client("ssm").put_parameter(
        Name=URI, Value="x", Type="SecureString", Tags=as_tags(aws.tags)
    )

    (change,) = plan([Parameter(aws, URI, "where MLflow is", None, "-")])

    assert Action.REFUSE == change.action
    assert "type is SecureString, not String" in change.reason
