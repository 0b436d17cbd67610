"""Two functions for AWS Lambda: what is delivered whole is staged, and what is staged is loaded.

S3 calls `delivered` with a manifest that arrived, which starts the job of Glue; EventBridge calls
`staged` with the end of that job, which starts the loader on ECS. Each raises with what is wrong.
Only manifests and sizes are looked at: bytes are hashed by the job and by the loader, which have to
read them anyway. Settings are JOB, the name of the job, and TASK, what ECS is to run as JSON.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import Any
from urllib.parse import unquote_plus

import boto3

Event = dict[str, Any]
_MANIFEST = "manifest.json"


def delivered(event: Event, _context: object = None) -> None:
    """Start the job for `raw/NAME/manifest.json`, to stage `staged/NAME`. Raises ValueError."""
    for record in event["Records"]:
        bucket, key = record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])
        raw = f"s3://{bucket}/{key.removesuffix(f'/{_MANIFEST}')}"
        before(raw)
        boto3.client("glue").start_job_run(
            JobName=os.environ["JOB"],
            Arguments={"--raw": raw, "--staged": raw.replace("/raw/", "/staged/", 1)},
        )


def staged(event: Event, _context: object = None) -> None:
    """Start the loader for what a run of the job staged. Raises ValueError, RuntimeError."""
    answer = boto3.client("glue").get_job_run(
        JobName=event["detail"]["jobName"], RunId=event["detail"]["jobRunId"]
    )
    told = answer["JobRun"]["Arguments"]
    after(told["--raw"], told["--staged"])
    task = json.loads(os.environ["TASK"])
    task["overrides"]["containerOverrides"][0]["command"].append(told["--staged"])
    if failures := boto3.client("ecs").run_task(**task)["failures"]:
        raise RuntimeError(f"ECS does not start the loader: {failures[0].get('reason')}")


def before(raw: str) -> dict[str, int]:
    """Return the rows of each table delivered; every file must be whole. Raises ValueError."""
    return _rows(_whole(raw))


def after(raw: str, staged: str) -> dict[str, int]:
    """Return the rows of each table staged; none that came may lack. Raises ValueError."""
    came, files = before(raw), _whole(staged)
    kept, repeated = _rows(files), _rows(files, "repeated")
    for table in came.keys() | kept.keys():
        rows, here, more = (of.get(table, 0) for of in (came, kept, repeated))
        if rows != here + more:
            raise ValueError(
                f"{table}: {rows:,} rows were delivered, and {here:,} staged "
                f"beside {more:,} that were repeated"
            )
    return kept


def _whole(place: str) -> list[dict[str, Any]]:
    """Return the files that a folder's manifest names, all of them there in full."""
    s3 = boto3.client("s3")
    bucket, _, folder = place.removeprefix("s3://").rstrip("/").partition("/")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{folder}/")
    sizes = {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", ())}
    if f"{folder}/{_MANIFEST}" not in sizes:
        raise ValueError(f"{place} has no {_MANIFEST}")
    body = s3.get_object(Bucket=bucket, Key=f"{folder}/{_MANIFEST}")["Body"].read()
    files: list[dict[str, Any]] = json.loads(body)["files"]
    for file in files:
        size = sizes.get(f"{folder}/{file['name']}")
        if size != file["bytes"]:
            there = "is not there" if size is None else f"has {size:,} bytes"
            raise ValueError(f"{place}/{file['name']} {there}; the manifest has {file['bytes']:,}")
    return files


def _rows(files: list[dict[str, Any]], what: str = "rows") -> dict[str, int]:
    """Add up by table: `train` of `train.csv.gz` and of `train/part-1.csv.gz`."""
    counts: Counter[str] = Counter()
    for file in files:
        counts[file["name"].split("/")[0].split(".")[0]] += file.get(what, 0)
    return dict(counts)
