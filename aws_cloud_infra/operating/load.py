"""Sales of this machine, loaded into the database that has no door to the world.

Takes a file or folder and how it is read, uploads it to the bucket, lets a job load it from there,
and deletes the copy. Must not read what is in the files.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aws_cloud_infra.operating.job import NotDone, run
from aws_cloud_infra.resources.containers.schedule import Schedule
from aws_cloud_infra.resources.data.bucket import Bucket
from aws_cloud_infra.resources.data.emptying import empty
from aws_cloud_infra.resources.watching.log_group import LogGroup
from aws_cloud_infra.stacks.shared import LOADS

_OWN_LAYOUT = ".toml"


@dataclass(frozen=True)
class Sales:
    """A file or folder, and what `database_loader.py` is told of it."""

    file: Path
    layout: str
    options: Sequence[str] = ()


def load(schedule: Schedule, logs: LogGroup, bucket: Bucket, sales: Sales) -> None:
    """Load sales by a job; return when they are in the database.

    Raises NotDone, with nothing loaded.
    """
    file, layout = sales.file, sales.layout
    if bucket.find() is None:
        raise NotDone(f"There is no {bucket} yet. Run `mlflow_infra.py apply` first.")
    own = [Path(layout)] if layout.endswith(_OWN_LAYOUT) else []
    for path in (file, *own):
        if not path.exists():
            raise NotDone(f"{path} is not there. Nothing was loaded.")
    place = f"{LOADS}/{uuid.uuid4().hex}"
    s3 = schedule.aws.client("s3")
    for path in (file, *own):
        for each, name in _files(path):
            with each.open("rb") as body:
                s3.put_object(Bucket=bucket.name, Key=f"{place}/{name}", Body=body)
            print(f"uploaded {name} ({each.stat().st_size:,} bytes)")
    there = f"s3://{bucket.name}/{place}"
    form = f"{there}/{own[0].name}" if own else layout
    command = ["python", "database_loader.py", "--csv", f"{there}/{file.name}", "--layout", form]
    try:
        run(schedule, logs, [*command, *sales.options])
    except NotDone:
        empty(bucket, f"{place}/")
        raise
    empty(bucket, f"{place}/")


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield files with their names below the folder that they are given in."""
    if path.is_file():
        yield path, path.name
    for each in sorted(path.rglob("*")) if path.is_dir() else ():
        if each.is_file():
            yield each, str(each.relative_to(path.parent))
