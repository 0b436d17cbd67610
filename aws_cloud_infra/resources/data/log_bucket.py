"""Where a load balancer writes down each request. Must not take anything from anybody else."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.clients import patiently
from aws_cloud_infra.account.documents import Document
from aws_cloud_infra.engine.resource import Live, Settings
from aws_cloud_infra.resources.data.bucket import Bucket

_GUESSED_GB = 1


@dataclass(frozen=True, eq=False)
class LogBucket(Bucket):
    """A bucket for access logs, which forgets them after some days and is no data of anybody's."""

    days: int

    protected = False

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """What it holds is a guess."""
        return (("s3 GB", _GUESSED_GB),)

    @property
    def lifecycle(self) -> Settings:
        """Nothing is ever written twice, so an old version is one that has expired."""
        return {
            "old-logs": {
                "Status": "Enabled",
                "Filter": {"Prefix": ""},
                "Expiration": {"Days": self.days},
                "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
            }
        }

    @property
    def lets_in(self) -> tuple[Document, ...]:
        """The load balancers of this account: AWS puts the account's number into each name."""
        return (
            {
                "Sid": "LoadBalancersWrite",
                "Effect": "Allow",
                "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
                "Action": "s3:PutObject",
                "Resource": f"{self.arn}/AWSLogs/{self.aws.account}/*",
            },
        )

    def delete(self, live: Live) -> None:
        """Empty it and delete it; a load balancer that is gone may still have written."""
        patiently(lambda: super(LogBucket, self).delete(live), "BucketNotEmpty")
