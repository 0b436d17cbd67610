"""A job of AWS Glue: a script of Spark in a bucket, on workers that are there while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.batch.bucket_file import BucketFile
from aws_cloud_infra.resources.identity.role import Role

_VERSION = "6.0"
"""Of Glue: Spark 4.1.1, as the lock beside the script has it."""
_WORKERS = 2
"""The fewest that Glue takes, of one DPU each: 4 cores and 16 GB."""
_HOURS_A_MONTH = 4.35 * 5 / 60
"""A guess: five minutes a week."""


@dataclass(frozen=True, eq=False)
class GlueJob(Resource):
    """The job. It runs for one delivery at a time, and what it was refused is not tried again."""

    purpose: str
    script: BucketFile
    role: Role
    log_prefix: str
    """Where it logs: into the group `error` beneath it what Spark says, `output` the script."""
    minutes: int = 60

    kind = "Glue job"
    permissions = (
        Permission(
            ("glue:GetJob", "glue:GetTags", "glue:CreateJob", "glue:TagResource",
             "glue:UpdateJob", "glue:DeleteJob"),
            ("arn:{partition}:glue:{region}:{account}:job/{name}",),
        ),
        Permission(
            ("iam:PassRole",),
            ("arn:{partition}:iam::{account}:role/sales-forecasting/{role}",),
            {"StringEquals": {"iam:PassedToService": "glue.amazonaws.com"}},
        ),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return self.aws.arn("glue", f"job/{self.name}")

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """Its workers while it runs."""
        return (("glue DPU hour", _WORKERS * _HOURS_A_MONTH),)

    def desired(self, ids: Ids) -> Settings:
        """What it runs, as whom and on what."""
        return {
            "purpose": self.purpose,
            "role": self.role.arn,
            "command": {
                "Name": "glueetl",
                "PythonVersion": "3",
                "ScriptLocation": ids[self.script],
            },
            "arguments": {"--custom-logGroup-prefix": self.log_prefix},
            "version": _VERSION,
            "worker": "G.1X",
            "workers": _WORKERS,
            "minutes": self.minutes,
            "retries": 0,
            "at_once": 1,
        }

    def find(self) -> Live | None:
        """Find it by its name."""
        glue = self.aws.client("glue")
        answer = read(glue.get_job, JobName=self.name)
        tags = answer and read(glue.get_tags, ResourceArn=self.arn)
        if not tags:
            return None
        job = answer["Job"]
        return Live(
            self.name,
            {
                "purpose": job.get("Description", ""),
                "role": job["Role"],
                "command": job["Command"],
                "arguments": job.get("DefaultArguments", {}),
                "version": job.get("GlueVersion"),
                "worker": job.get("WorkerType"),
                "workers": job.get("NumberOfWorkers"),
                "minutes": job.get("Timeout"),
                "retries": job.get("MaxRetries", 0),
                "at_once": job.get("ExecutionProperty", {}).get("MaxConcurrentRuns"),
            },
            tags["Tags"],
        )

    def create(self, desired: Settings) -> None:
        """Make it."""
        self.aws.client("glue").create_job(
            Name=self.name, Tags=self.aws.tags, **_definition(desired)
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write it whole: what an update leaves out, Glue sets back."""
        self.aws.client("glue").update_job(JobName=self.name, JobUpdate=_definition(desired))

    def delete(self, live: Live) -> None:
        """Delete it."""
        remove(self.aws.client("glue").delete_job, JobName=self.name)


def _definition(desired: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Description": desired["purpose"],
        "Role": desired["role"],
        "Command": desired["command"],
        "DefaultArguments": desired["arguments"],
        "GlueVersion": desired["version"],
        "WorkerType": desired["worker"],
        "NumberOfWorkers": desired["workers"],
        "Timeout": desired["minutes"],
        "MaxRetries": desired["retries"],
        "ExecutionProperty": {"MaxConcurrentRuns": desired["at_once"]},
    }
