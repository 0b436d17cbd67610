"""Calls to a service of AWS that may cost seconds, never more.

Takes the name of a service, gives its client of Boto3. Must not be imported for Boto3's sake: it is
only needed where something is to be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sales_forecast.errors import NoticeError

SECONDS = 5.0
"""For each of the things that take time: to be connected, to be answered."""


@contextmanager
def calling(service: str, region: str | None = None) -> Iterator[Any]:
    """Give a client; `region` None is that of the environment. Raises NoticeError, in words."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise NoticeError("it needs `pip install boto3`") from None
    config = Config(connect_timeout=SECONDS, read_timeout=SECONDS, retries={"max_attempts": 0})
    try:
        yield boto3.client(service, region_name=region, config=config)
    except ClientError as error:
        raise NoticeError(f"AWS refuses it ({error.response['Error']['Code']})") from error
    except BotoCoreError as error:
        raise NoticeError(f"it cannot be reached ({type(error).__name__})") from error
