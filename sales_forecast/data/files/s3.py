"""Files that lie in a bucket of S3, fetched for as long as they are read.

Takes a place as it was given on a command line, gives a path of this machine. Must not know what
is in the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from sales_forecast.errors import DataRefused

SCHEME = "s3://"


@contextmanager
def at_hand(place: str) -> Iterator[str]:
    """Give a path for a place: itself or, of `s3://BUCKET/KEY`, a copy under the name of the key.

    The key is that of a file or of a folder of files. Raises DataRefused where nothing is there,
    or where AWS does not give it.
    """
    if not place.startswith(SCHEME):
        yield place
        return
    with TemporaryDirectory() as folder:
        yield str(_fetched(place, Path(folder)))


def _fetched(place: str, into: Path) -> Path:
    try:
        import boto3
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise DataRefused(place, "reading from S3 needs `pip install boto3`") from None
    bucket, _, key = place.removeprefix(SCHEME).partition("/")
    key = key.rstrip("/")
    if not bucket or not key:
        raise DataRefused(place, f"is not of the form {SCHEME}BUCKET/KEY")
    try:
        s3 = boto3.client("s3")
        return _copied(s3, place, bucket, key, into / PurePosixPath(key).name)
    except ClientError as error:
        said = error.response["Error"]
        raise DataRefused(place, f"AWS refuses it ({said['Code']}): {said['Message']}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise DataRefused(place, f"cannot be fetched: {error}") from error


def _copied(s3: Any, place: str, bucket: str, key: str, target: Path) -> Path:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
    names = [item["Key"] for page in pages for item in page.get("Contents", ())]
    if key in names:
        s3.download_file(bucket, key, str(target))
        return target
    inside = [name for name in names if name.startswith(f"{key}/") and not name.endswith("/")]
    if not inside:
        raise DataRefused(place, "there is no such file or folder")
    for name in inside:
        file = target / name.removeprefix(f"{key}/")
        if not file.resolve().is_relative_to(target.resolve()):
            raise DataRefused(place, f"{name} names a file outside of the folder")
        file.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, name, str(file))
    return target
