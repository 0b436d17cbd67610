"""One writer at a time: `apply` and `destroy` of an environment hold a lease on it meanwhile.

It is a parameter of Systems Manager, whose holder renews it each minute. After five minutes
without that it is void, as is one whose holder died on this machine. AWS's clock decides.
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from botocore.exceptions import ClientError

from aws_cloud_infra.account.clients import Aws, as_tags, read, remove
from aws_cloud_infra.account.errors import AWS_ERRORS, InfraError, NotOurs, translate
from aws_cloud_infra.engine.resource import Permission

PERMISSION = Permission(
    ("ssm:GetParameter", "ssm:PutParameter", "ssm:AddTagsToResource", "ssm:DeleteParameter"),
    ("arn:{partition}:ssm:{region}:{account}:parameter/{project}/{environment}/lease",),
)
RENEWED_AFTER = 60
VOID_AFTER = 300
"""Seconds."""
_MOST_TRIES = 3


class LeaseHeld(InfraError):
    """Another run is changing this environment, or has taken it over from this one."""

    code = "lease_held"


@dataclass(frozen=True)
class Holder:
    """Who has a lease: a process of somebody on a machine."""

    who: str
    process: int
    since: float = field(default_factory=time.time)
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    @classmethod
    def me(cls) -> Holder:
        """Return this process."""
        try:
            user = getpass.getuser()
        except (OSError, KeyError):  # a container may run as a number without a name
            user = "nobody by name"
        return cls(f"{user}@{socket.gethostname()}", os.getpid())

    def is_gone(self, me: Holder) -> bool:
        """Return whether it ran where `me` runs, and does no more."""
        if self.who != me.who or os.name != "posix":
            return False
        if self.process == me.process:
            return True
        try:
            os.kill(self.process, 0)  # sends nothing
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return False


@dataclass(frozen=True)
class _Seen:
    """A lease as AWS has it."""

    holder: Holder
    version: int
    age: float
    """Seconds since it was renewed."""
    held: float
    """Seconds since it was taken."""


class Lease:
    """The lease on the environment at hand; see `hold`."""

    def __init__(self, aws: Aws, me: Holder | None = None) -> None:
        self._aws = aws
        self._me = me or Holder.me()
        self._name = f"/{aws.settings.project}/{aws.settings.environment}/lease"
        self._renewed = 0.0
        self._taken_by = ""

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Have the lease. Raises LeaseHeld if somebody else has it."""
        try:
            self.take()
        except AWS_ERRORS as error:
            allow = {"Effect": "Allow", "Action": [*PERMISSION.actions],
                     "Resource": self._aws.arn("ssm", f"parameter{self._name}")}  # fmt: skip
            raise translate(error, f"lease {self._name}", lambda _: allow) from error
        over = threading.Event()
        renewal = threading.Thread(target=self._keep, args=(over,), daemon=True)
        renewal.start()
        try:
            yield
        finally:
            over.set()
            renewal.join()
            with suppress(*AWS_ERRORS):  # it gets void by itself
                self.release()

    def check(self) -> None:
        """Raise LeaseHeld if it is not sure any more that nobody else has it."""
        if self._taken_by or time.time() - self._renewed > VOID_AFTER:
            raise LeaseHeld(
                f"The lease on {self._aws.prefix} could not be renewed for {VOID_AFTER // 60} "
                f"minutes{self._taken_by}, so this run has stopped. Run it again: it goes on."
            )

    def take(self) -> None:
        """Take it if it is free, void, or of a process that died here."""
        for _ in range(_MOST_TRIES):
            if self._write(overwrite=False):
                return
            seen = self._look()
            if seen is None:
                continue  # it was just released
            if seen.holder.token == self._me.token:
                self._renewed = time.time()  # the answer to our own writing was lost
                return
            if seen.age <= VOID_AFTER and not seen.holder.is_gone(self._me):
                raise LeaseHeld(self._refusal(seen))
            if self._write(overwrite=True) == seen.version + 1:
                return
            break  # it was written over after we looked
        raise LeaseHeld(f"Somebody was quicker to take {self._aws.prefix}. Run it again.")

    def renew(self) -> None:
        """Say that it is still held."""
        seen = self._look()
        if seen and seen.holder.token != self._me.token:
            self._taken_by = f" and was taken over by {seen.holder.who}"
            return
        self._write(overwrite=True)

    def release(self) -> None:
        """Give it back, if it is still ours."""
        seen = self._look()
        if seen is None or seen.holder.token == self._me.token:
            remove(self._aws.client("ssm").delete_parameter, Name=self._name)

    def _keep(self, over: threading.Event) -> None:
        while not over.wait(RENEWED_AFTER):
            with suppress(*AWS_ERRORS):  # the next minute is another chance
                self.renew()

    def _write(self, *, overwrite: bool) -> int:
        """Return the version that was written; 0 if there is one that must stay."""
        me = self._me
        value = {"who": me.who, "process": me.process, "since": me.since, "token": me.token}
        more = {"Overwrite": True} if overwrite else {"Tags": as_tags(self._aws.tags)}
        try:
            answer = self._aws.client("ssm").put_parameter(
                Name=self._name, Type="String", Value=json.dumps(value),
                Description="Who changes this environment at the moment", **more,
            )  # fmt: skip
        except ClientError as error:
            if "ParameterAlreadyExists" in str(error):
                return 0
            raise
        self._renewed = time.time()
        return int(answer["Version"])

    def _look(self) -> _Seen | None:
        answer = read(self._aws.client("ssm").get_parameter, Name=self._name)
        if answer is None:
            return None
        found = answer["Parameter"]
        try:
            holder = Holder(**json.loads(found["Value"]))
        except (TypeError, ValueError):
            raise NotOurs(
                f"The parameter {self._name} is not a lease. Delete it, or give the project or "
                "environment another name."
            ) from None
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        age = (now - found["LastModifiedDate"]).total_seconds()
        return _Seen(holder, found["Version"], max(0, age), max(0, now.timestamp() - holder.since))

    def _refusal(self, seen: _Seen) -> str:
        holder = seen.holder
        return (
            f"{holder.who} (process {holder.process}) has been changing {self._aws.prefix} for "
            f"{seen.held / 60:.0f} min and was last heard of {seen.age:.0f} s ago. Run it again "
            f"when that is done; if it died, in {VOID_AFTER - seen.age:.0f} s."
        )
