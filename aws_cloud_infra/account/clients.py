"""The account at hand: one session, its clients, and the names and tags that make things ours.

Takes settings, gives clients that retry what AWS throttles. Calls AWS only when asked to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from aws_cloud_infra.account import patience
from aws_cloud_infra.account.errors import is_missing
from aws_cloud_infra.account.settings import InfraSettings
from sales_forecast.errors import SettingsError

_CLIENT = Config(
    retries={"mode": "standard", "total_max_attempts": 10},
    connect_timeout=10,
    read_timeout=60,
    max_pool_connections=16,
)
_SECONDS_BETWEEN_TRIES = 5


class Aws:
    """One account, region, project and environment. Safe to share between threads."""

    def __init__(
        self,
        settings: InfraSettings,
        session: boto3.Session | None = None,
        account: str | None = None,
    ) -> None:
        """Take the settings; `session` replaces boto3's own, `account` the asking for it."""
        self.settings = settings
        self.region = settings.region
        self.prefix = f"{settings.project}-{settings.environment}"
        self.catalog = self.prefix.replace("-", "_")
        """What Athena calls our tables: its SQL takes no dashes."""
        self._session = session or boto3.Session(region_name=settings.region)
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        if account is not None:
            self.account = account

    @property
    def tags(self) -> dict[str, str]:
        """What every resource of ours carries, and nothing of anybody else's does.

        The region is among them because some names (roles, buckets) are shared by all regions.
        """
        return {
            "ManagedBy": "sales-forecasting",
            "Project": self.settings.project,
            "Environment": self.settings.environment,
            "Region": self.region,
        }

    def owns(self, tags: Mapping[str, str]) -> bool:
        """Return whether tags hold all of ours."""
        return self.tags.items() <= tags.items()

    def client(self, service: str) -> Any:
        """Return the client of a service, made once. Raises SettingsError for no endpoint."""
        with self._lock:
            if service not in self._clients:
                try:
                    client = self._session.client(service, region_name=self.region, config=_CLIENT)
                except ValueError as error:  # not even a URL
                    raise SettingsError(
                        f"{error}. Correct AWS_ENDPOINT_URL, or endpoint_url of the profile."
                    ) from error
                self._clients[service] = client
                patience.teach(self._clients[service])
            return self._clients[service]

    @cached_property
    def _caller(self) -> dict[str, str]:
        answer: dict[str, str] = self.client("sts").get_caller_identity()
        return answer

    @cached_property
    def account(self) -> str:
        """The number of the account, twelve digits."""
        return self._caller["Account"]

    @property
    def pipeline_role(self) -> str:
        """The name of the role that the pipeline takes on."""
        return f"{self.prefix}-github"

    @cached_property
    def is_pipeline(self) -> bool:
        """Whether the pipeline calls, which may not change what gives rights or holds data."""
        return f":assumed-role/{self.pipeline_role}/" in self._caller["Arn"]

    @cached_property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`: the first part of every ARN here."""
        return self._session.get_partition_for_region(self.region)

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        """Return an ARN in this account; `region=""` for services without regions."""
        where = self.region if region is None else region
        return f"arn:{self.partition}:{service}:{where}:{self.account}:{resource}"

    def pages(self, service: str, operation: str, key: str, **arguments: Any) -> list[Any]:
        """Return all items of a listing, every page of it."""
        pages = self.client(service).get_paginator(operation).paginate(**arguments)
        return [item for page in pages for item in page.get(key, [])]

    def wait(self, service: str, waiter: str, **arguments: Any) -> None:
        """Wait with AWS's own waiter; raises WaiterError when it gives up.

        Some waiters give up where AWS does not know yet what was just made: they are asked again.
        """
        for left in patience.tries(f"AWS does not know it yet ({waiter})"):
            try:
                with patience.no_patience():
                    self.client(service).get_waiter(waiter).wait(**arguments)
            except WaiterError as error:
                if not left or not patience.is_unknown(error.last_response):
                    raise
            else:
                return


def read(call: Callable[..., Any], **arguments: Any) -> Any:
    """Return the answer of a reading call, or None where the thing does not exist."""
    try:
        with patience.no_patience():
            return call(**arguments)
    except ClientError as error:
        if is_missing(error):
            return None
        raise


def remove(call: Callable[..., Any], **arguments: Any) -> None:
    """Make a deleting call; what is already gone counts as deleted."""
    read(call, **arguments)


def patiently(
    call: Callable[..., Any], because: str, *, minutes: float = 2.0, **arguments: Any
) -> Any:
    """Make a call again while AWS refuses it only `because` something has not settled yet.

    `because` is a part of the error's code or text, e.g. `DependencyViolation` while network
    interfaces of deleted things go away. Raises the last refusal when the time is up.
    """
    deadline = time.monotonic() + 60 * minutes
    while True:
        try:
            return call(**arguments)
        except ClientError as error:
            if because not in str(error) or time.monotonic() > deadline:
                raise
            patience.pause(_SECONDS_BETWEEN_TRIES, str(error))


def as_tags(
    tags: Mapping[str, str], key: str = "Key", value: str = "Value"
) -> list[dict[str, str]]:
    """Return tags as the list of pairs that most services want."""
    return [{key: name, value: text} for name, text in tags.items()]


def from_tags(
    pairs: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value"
) -> dict[str, str]:
    """Return tags as a mapping, from the list of pairs that most services give."""
    return {pair[key]: pair[value] for pair in pairs or ()}
