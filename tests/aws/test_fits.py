"""What AWS would refuse of a call and the emulator takes is refused by every session of a test."""

from __future__ import annotations

from typing import Any

import pytest

from tests.aws.account import Account


@pytest.mark.parametrize(
    ("service", "call", "asked", "said"),
    [
        ("iam", "get_role", {"RoleName": "a" * 65}, r"\.RoleName: a+ is 65, not 1 to 64"),
        ("iam", "get_role", {"RoleName": "a b"}, r"\.RoleName: a b has not the form"),
        ("logs", "create_log_group", {"logGroupName": "a?"}, r"\.logGroupName: a\? has not"),
        ("elbv2", "describe_target_health",
         {"TargetGroupArn": "a", "Include": ["All of it"]}, r"\.Include\[\]: All of it is none of"),
        ("lambda", "list_functions", {"MaxItems": 0}, r"\.MaxItems: 0 is 0, not 1 to 10000"),
        ("logs", "list_tags_for_resource", {"resourceArn": ""}, r"\.resourceArn:  is 0, not 1 to"),
        ("logs", "tag_resource",
         {"resourceArn": "a", "tags": {"a": "b" * 257}}, r"\.tags\.a: b+ is 257, not 0 to 256"),
        ("iam", "tag_role",
         {"RoleName": "a", "Tags": [{"Key": "a", "Value": "(b)"}]}, r"\.Value: \(b\) has not the"),
        ("elbv2", "add_tags",
         {"ResourceArns": ["a"], "Tags": [{"Key": "a;", "Value": "b"}]}, r"\.Key: a; has not the"),
        ("glue", "get_database", {"Name": "a\0"}, r"\.Name: a.+ has not the form"),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_model_of_aws_is_not_even_sent(
    account: Account, service: str, call: str, asked: dict[str, Any], said: str
) -> None:
    client = account.session().client(service)
    with pytest.raises(AssertionError, match=said):
        getattr(client, call)(**asked)
