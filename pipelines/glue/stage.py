"""A delivery in a bucket, checked and cleaned by Spark: `stage.py --raw FOLDER --staged FOLDER`.

Takes a folder whose `manifest.json` names its files with bytes, sha256 and rows; a table may come
in parts (`train.csv.gz`, or `train/part-1.csv.gz` and so on). Gives a folder with one CSV file a
table and a manifest of its own, for `database_loader.py`, which alone writes into the database.
What is not as its manifest says is not staged. Spark's own functions only: Glue runs it as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

MANIFEST = "manifest.json"


class Refused(Exception):
    """A delivery that is not what its manifest says, in a sentence."""


@dataclass(frozen=True)
class File:
    """One file as a manifest has it; `repeated` rows were in the delivery more than once."""

    name: str
    bytes: int
    sha256: str
    rows: int
    repeated: int = 0

    @property
    def table(self) -> str:
        """`train` of `train.csv.gz` and of `train/part-1.csv.gz`."""
        return PurePosixPath(self.name).parts[0].split(".")[0]


def stage(spark: SparkSession, raw: str, staged: str) -> list[File]:
    """Check a delivery, clean its tables and put them in place; return what is there then.

    Done again it gives the same bytes. Raises Refused with nothing staged.
    """
    raw, staged = raw.rstrip("/"), staged.rstrip("/")
    delivered = manifest(spark, raw)
    check_bytes(spark, raw, delivered)
    writing = f"{staged}.writing"
    tables = [
        written(spark, raw, table, [*parts], writing)
        for table, parts in groupby(sorted(delivered, key=_by_table), File.table.fget)
    ]
    put_in_place(spark, writing, staged, tables)
    return tables


def _by_table(file: File) -> tuple[str, str]:
    return file.table, file.name


def manifest(spark: SparkSession, folder: str) -> list[File]:
    """Return the files that the manifest of a folder names. Raises Refused."""
    try:
        text = spark.read.text(f"{folder}/{MANIFEST}", wholetext=True).first()[0]
        files = [File(**file) for file in json.loads(text)["files"]]
    except Exception as error:  # Spark has one for every file system
        said = str(getattr(error, "java_exception", error)).splitlines()[0]
        raise Refused(f"{folder}/{MANIFEST} cannot be read: {said}") from error
    if not files:
        raise Refused(f"{folder}/{MANIFEST} names no file")
    return files


def check_bytes(spark: SparkSession, folder: str, files: Sequence[File]) -> None:
    """Hold the bytes of a folder to what a manifest says of them. Raises Refused."""
    there = _there(spark, folder)
    for file in files:
        bytes_, sha256 = there.get(file.name, (None, None))
        if bytes_ is None:
            raise Refused(f"{folder}: {file.name} is not there")
        if (bytes_, sha256) != (file.bytes, file.sha256):
            raise Refused(
                f"{folder}: {file.name} has {bytes_:,} bytes of SHA-256 {sha256}, "
                f"and by the manifest {file.bytes:,} of {file.sha256}"
            )


def _there(spark: SparkSession, folder: str) -> dict[str, tuple[int, str]]:
    """Return bytes and SHA-256 of the files of a folder, by their names in it."""
    files = spark.read.format("binaryFile").option("recursiveFileLookup", True).load(folder)
    found = files.select("path", "length", f.sha2("content", 256).alias("sha256")).collect()
    return {one.path.split(f"{folder}/", 1)[-1]: (one.length, one.sha256) for one in found}


def written(spark: SparkSession, raw: str, table: str, parts: Sequence[File], writing: str) -> File:
    """Unite the parts of a table, clean it and write it as one file. Raises Refused."""
    united = reduce(DataFrame.unionByName, [_counted(spark, raw, part) for part in parts])
    rows = sum(part.rows for part in parts)
    # The same rows in the same order, however they came: the same bytes.
    cleaned = united.distinct().repartition(1).sortWithinPartitions(*united.columns)
    folder = f"{writing}/{table}"
    cleaned.write.mode("overwrite").csv(folder, header=True, compression="gzip", escape='"')
    ((name, (bytes_, sha256)),) = (
        (name, of) for name, of in _there(spark, folder).items() if name.startswith("part-")
    )
    kept = _csv(spark, f"{folder}/{name}").count()
    return File(f"{table}.csv.gz", bytes_, sha256, kept, repeated=rows - kept)


def _counted(spark: SparkSession, raw: str, part: File) -> DataFrame:
    cells = _csv(spark, f"{raw}/{part.name}")
    rows = cells.count()
    if rows != part.rows:
        raise Refused(f"{raw}: {part.name} has {rows:,} rows, and by the manifest {part.rows:,}")
    return cells


def _csv(spark: SparkSession, file: str) -> DataFrame:
    """Read cells as the text that they are, without the spaces around them."""
    return spark.read.csv(
        file, header=True, escape='"',
        ignoreLeadingWhiteSpace=True, ignoreTrailingWhiteSpace=True,
    )  # fmt: skip


def put_in_place(spark: SparkSession, writing: str, staged: str, tables: Sequence[File]) -> None:
    """Move what was written to where it is read.

    The manifest comes first: until every file is the one it names, no loader takes the folder.
    """
    jvm: Any = spark.sparkContext._jvm  # noqa: SLF001 - the file system of Spark has no other door
    path = jvm.org.apache.hadoop.fs.Path
    files = path(staged).getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())  # noqa: SLF001
    told = json.dumps({"files": [asdict(table) for table in tables]}, indent=2)
    stream = files.create(path(f"{staged}/{MANIFEST}"))
    stream.write(bytearray(told.encode()))
    stream.close()
    for table in tables:
        (made,) = files.globStatus(path(f"{writing}/{table.table}/part-*"))
        files.delete(path(f"{staged}/{table.name}"), False)
        files.rename(made.getPath(), path(f"{staged}/{table.name}"))
    files.delete(path(writing), True)


def main(argv: Sequence[str] | None = None) -> int:
    """Stage one delivery; return the exit code: 0 staged, 1 refused."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raw", required=True, metavar="FOLDER")
    parser.add_argument("--staged", required=True, metavar="FOLDER")
    arguments, _ = parser.parse_known_args(argv)  # Glue adds some of its own
    spark = SparkSession.builder.appName("sales-forecast-stage").getOrCreate()
    try:
        for file in stage(spark, arguments.raw, arguments.staged):
            print(f"{file.name}: {file.rows:,} rows, {file.repeated:,} more were repeated")
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if code := main():
        sys.exit(code)  # Glue takes any sys.exit for a failure
