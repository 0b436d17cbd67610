"""Two functions for AWS Lambda: may the job start, and may what it staged be loaded.

Each takes `{"raw": "s3://BUCKET/FOLDER", "staged": "s3://BUCKET/FOLDER"}`, gives it back for the
next step with what it counted, or raises with what is wrong. Only manifests and sizes are looked
at: bytes are hashed by the job and by the loader, which have to read them anyway.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import boto3

Event = dict[str, Any]


def before(event: Event, _context: object = None) -> Event:
    """Let a delivery through of which every file is there, whole. Raises ValueError."""
    return {**event, "delivered": _rows(_whole(event["raw"]))}


def after(event: Event, _context: object = None) -> Event:
    """Let through what was staged if it has every row that was delivered. Raises ValueError."""
    delivered, staged = _rows(_whole(event["raw"])), _whole(event["staged"])
    repeated = _rows(staged, "repeated")
    for table in delivered.keys() | (rows := _rows(staged)).keys():
        came, kept, more = (of.get(table, 0) for of in (delivered, rows, repeated))
        if came != kept + more:
            raise ValueError(
                f"{table}: {came:,} rows were delivered, and {kept:,} staged "
                f"beside {more:,} that were repeated"
            )
    return {**event, "rows": rows}


def _whole(place: str) -> list[dict[str, Any]]:
    """Return the files that a folder's manifest names, all of them there in full."""
    s3 = boto3.client("s3")
    bucket, _, folder = place.removeprefix("s3://").rstrip("/").partition("/")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{folder}/")
    sizes = {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", ())}
    if f"{folder}/manifest.json" not in sizes:
        raise ValueError(f"{place} has no manifest.json")
    body = s3.get_object(Bucket=bucket, Key=f"{folder}/manifest.json")["Body"].read()
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
