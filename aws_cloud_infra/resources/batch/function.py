"""Functions of Lambda: a file of Python, run when something of this account calls it.

Takes the packed code, a role, and who may call. Must not be reached from outside of the account.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_cloud_infra.account.clients import read, remove
from aws_cloud_infra.account.documents import canonical
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.identity.role import Role
from aws_cloud_infra.resources.references import resolve

_RUNTIME = "python3.13"
_CONFIGURATION: Mapping[str, str] = {
    "purpose": "Description",
    "runtime": "Runtime",
    "handler": "Handler",
    "role": "Role",
    "seconds": "Timeout",
    "memory_mb": "MemorySize",
}
"""Settings by what Lambda calls them."""


@dataclass(frozen=True, eq=False)
class Function(Resource):
    """One function. Boto3 is there; nothing else is but its code."""

    purpose: str
    code: bytes = field(repr=False)
    """A zip file."""
    handler: str
    role: Role
    log_group: Resource
    environment: Mapping[str, Any]
    """What is no text becomes JSON; what it refers to, at any depth, is resolved."""
    caller: str
    """The service that may call it, such as "s3","""
    source: str
    """and the ARN of the one thing there for which it may."""
    seconds: int = 60
    memory_mb: int = 256

    kind = "function"
    guarded = True  # its policy lets others call what runs as its role
    permissions = (
        Permission(
            ("lambda:GetFunction", "lambda:GetPolicy", "lambda:CreateFunction",
             "lambda:TagResource", "lambda:UpdateFunctionCode",
             "lambda:UpdateFunctionConfiguration", "lambda:AddPermission",
             "lambda:RemovePermission", "lambda:DeleteFunction"),
            ("arn:{partition}:lambda:{region}:{account}:function:{name}",),
        ),
        Permission(
            ("iam:PassRole",),
            ("arn:{partition}:iam::{account}:role/sales-forecasting/{role}",),
            {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
        ),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return self.aws.arn("lambda", f"function:{self.name}")

    def desired(self, ids: Ids) -> Settings:
        """What it runs, as whom, and who may call it."""
        return {
            "purpose": self.purpose,
            "runtime": _RUNTIME,
            "handler": self.handler,
            "role": self.role.arn,
            "seconds": self.seconds,
            "memory_mb": self.memory_mb,
            "log_group": self.log_group.name,
            "environment": {
                name: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
                for name, value in resolve(self.environment, ids).items()
            },
            "code": b64encode(hashlib.sha256(self.code).digest()).decode(),
            "called_by": {
                self.caller: canonical({"Statement": [{
                    "Effect": "Allow",
                    "Principal": {"Service": f"{self.caller}.amazonaws.com"},
                    "Action": "lambda:InvokeFunction",
                    "Resource": self.arn,
                    "Condition": {
                        "ArnLike": {"AWS:SourceArn": self.source},
                        "StringEquals": {"AWS:SourceAccount": self.aws.account},
                    },
                }]})["Statement"][0]
            },
        }  # fmt: skip

    def find(self) -> Live | None:
        """Find it by its name."""
        functions = self.aws.client("lambda")
        answer = read(functions.get_function, FunctionName=self.name)
        if answer is None:
            return None
        found = answer["Configuration"]
        policy = read(functions.get_policy, FunctionName=self.name)
        statements = canonical(policy["Policy"])["Statement"] if policy else []
        return Live(
            found["FunctionArn"],
            {
                **{name: found.get(key) for name, key in _CONFIGURATION.items()},
                "log_group": found.get("LoggingConfig", {}).get("LogGroup"),
                "environment": found.get("Environment", {}).get("Variables", {}),
                "code": found["CodeSha256"],
                "called_by": {item.pop("Sid"): item for item in statements},
            },
            answer.get("Tags", {}),
        )

    def create(self, desired: Settings) -> None:
        """Make it and wait until it can be called; nobody may call it yet."""
        self.aws.client("lambda").create_function(
            FunctionName=self.name,
            Code={"ZipFile": self.code},
            Tags=self.aws.tags,
            **_arguments(desired),
        )
        self.aws.wait("lambda", "function_active_v2", FunctionName=self.name)

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write code and settings, each of which takes Lambda a moment, then who may call it."""
        functions = self.aws.client("lambda")
        if "code" in changed:
            functions.update_function_code(FunctionName=self.name, ZipFile=self.code)
            self.aws.wait("lambda", "function_updated_v2", FunctionName=self.name)
        if changed - {"code", "called_by"}:
            functions.update_function_configuration(FunctionName=self.name, **_arguments(desired))
            self.aws.wait("lambda", "function_updated_v2", FunctionName=self.name)
        has, wanted = live.settings["called_by"], desired["called_by"]
        for name in has:
            if has[name] != wanted.get(name):
                remove(functions.remove_permission, FunctionName=self.name, StatementId=name)
        if has.get(self.caller) != wanted[self.caller]:
            functions.add_permission(
                FunctionName=self.name,
                StatementId=self.caller,
                Action="lambda:InvokeFunction",
                Principal=f"{self.caller}.amazonaws.com",
                SourceArn=self.source,
                SourceAccount=self.aws.account,
            )

    def delete(self, live: Live) -> None:
        """Delete it."""
        remove(self.aws.client("lambda").delete_function, FunctionName=self.name)


def _arguments(desired: Settings) -> dict[str, Any]:
    return {
        **{key: desired[name] for name, key in _CONFIGURATION.items()},
        "Environment": {"Variables": desired["environment"]},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": desired["log_group"]},
    }
