"""What the emulator lacks of Glue, Lambda and S3. To be imported by its process.

A job that is updated, a function's log group; no function runs, whether there is Docker or not;
and a bucket that is to be reached by TLS alone can be reached, as if the emulator had it.
"""

from __future__ import annotations

import json
from typing import Any

from moto.awslambda.models import LambdaFunction
from moto.core.responses import ActionResult
from moto.glue.responses import GlueResponse
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket

_make, _update, _show = (
    LambdaFunction.__init__, LambdaFunction.update_configuration, LambdaFunction.get_configuration,
)  # fmt: skip


def update_job(self: GlueResponse) -> ActionResult:
    """As Glue does: what is left out is set back."""
    name, told = self.parameters["JobName"], self.parameters["JobUpdate"]
    job = self.glue_backend.get_job(name)
    job.description = told.get("Description")
    job.role, job.command = told["Role"], told["Command"]
    job.default_arguments = told.get("DefaultArguments", {})
    job.execution_property = told.get("ExecutionProperty", {})
    job.glue_version, job.worker_type = told.get("GlueVersion"), told.get("WorkerType")
    job.number_of_workers, job.timeout = told.get("NumberOfWorkers"), told.get("Timeout")
    job.max_retries = told.get("MaxRetries", 0)
    return ActionResult({"JobName": name})


def make(self: LambdaFunction, account_id: str, spec: dict[str, Any], *rest: Any, **more: Any):
    self.logging_config = spec.get("LoggingConfig")
    _make(self, account_id, spec, *rest, **more)


def update(self: LambdaFunction, config_updates: dict[str, Any]) -> dict[str, Any]:
    self.logging_config = config_updates.get("LoggingConfig", self.logging_config)
    _update(self, config_updates)
    return self.get_configuration()


def show(self: LambdaFunction, on_create: bool = False) -> dict[str, Any]:
    return {**_show(self, on_create), "LoggingConfig": self.logging_config}


def invoke(self: LambdaFunction, event: str | None = None) -> tuple[str, bool, str]:
    """As where there is no Docker, which is looked for by processes and sockets left open."""
    return "no function runs here", True, ""


def get_permission(self: FakeBucket, action: str, resource: str) -> Any:
    """As moto does, which looks at no condition, but for what denies connections without TLS."""
    document = json.loads(self.policy or '{"Statement": []}')
    left = [
        statement for statement in document["Statement"]
        if "aws:SecureTransport" not in statement.get("Condition", {}).get("Bool", {})
    ]  # fmt: skip
    if not left:
        return PermissionResult.NEUTRAL
    whole = json.dumps({**document, "Statement": left})
    return IAMPolicy(whole).is_action_permitted(action, resource)


FakeBucket.get_permission = get_permission
GlueResponse.update_job = update_job
LambdaFunction.__init__ = make
LambdaFunction.update_configuration = update
LambdaFunction.get_configuration = show
LambdaFunction._invoke_lambda = invoke
