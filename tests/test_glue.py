"""From a bucket to the star: with SPARK=1 a Spark of its own lock stages what was delivered."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from aws_cloud_infra.resources.data.bucket import Bucket
from aws_cloud_infra.resources.identity.role import Role
from tests.apart import locked
from tests.aws.account import Account
from tests.aws.iam import allows
from tests.aws.test_watch import resources, suffix
from tests.builders import panel_of_layout
from tests.relay import Right, relayed

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "pipelines" / "glue"
LONGEST, MANIFEST = 900, "manifest.json"


def test_the_lock_pins_every_package_by_its_hash() -> None:
    lock = (FOLDER / "requirements.txt").read_text()
    packages = re.split(r"\n(?=\S)", lock.strip())
    assert any(one.startswith("pyspark==") for one in packages)
    assert all(re.match(r"[\w.-]+==\S+", one) and "--hash=sha256:" in one for one in packages)
    assert "://" not in lock


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Python of a Spark that the lock made."""
    if os.environ.get("SPARK") != "1":
        pytest.skip("SPARK=1 makes a Spark, of 480 MB, and stages sales, in minutes")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17")
    with locked("glue", tmp_path_factory.mktemp("spark")) as programs:
        yield programs / "python"


def stage(
    spark: Path, raw: Path | str, staged: Path | str, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run the job as Glue does, which gives it more arguments than it has asked for."""
    told = [f"--conf {name}={value}" for name, value in settings.items()]
    environment = {"SPARK_LOCAL_IP": "127.0.0.1"} | (
        {"PYSPARK_SUBMIT_ARGS": " ".join((*told, "pyspark-shell"))} if told else {}
    )
    return subprocess.run(
        [spark, FOLDER / "stage.py", "--raw", raw, "--staged", staged, "--JOB_NAME", "stage"],
        env=os.environ | environment, capture_output=True, text=True, timeout=LONGEST, check=False,
    )  # fmt: skip


def rows_of(content: bytes) -> list[bytes]:
    return gzip.decompress(content).strip().splitlines()


def deliver(folder: Path, tables: Path, n_parts: int, repeated: int) -> dict[str, int]:
    """Write a delivery whose sales come in parts, some rows of them in two; return its rows."""
    contents = {name: (tables / name).read_bytes() for name in ("features.csv.gz", "stores.csv.gz")}
    header, *sales = rows_of((tables / "train.csv.gz").read_bytes())
    each = -(-len(sales) // n_parts)
    for number in range(n_parts):
        part = sales[number * each : (number + 1) * each + repeated]
        contents[f"train/part-{number}.csv.gz"] = gzip.compress(b"\n".join([header, *part]))
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    rows = {name: len(rows_of(content)) - 1 for name, content in contents.items()}
    tell(folder, rows)
    whole = {name: count for name, count in rows.items() if "/" not in name}
    return {**whole, "train.csv.gz": len(sales)}


def tell(folder: Path, rows: dict[str, int]) -> None:
    """Write the manifest of a delivery."""
    files = [
        {
            "name": name,
            "bytes": (folder / name).stat().st_size,
            "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
            "rows": count,
        }
        for name, count in rows.items()
    ]
    (folder / "manifest.json").write_text(json.dumps({"files": files}))


def told(folder: Path) -> dict[str, Any]:
    files = json.loads((folder / "manifest.json").read_text())["files"]
    return {file["name"]: file for file in files}


def load(place: str | Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "database_loader.py", "--layout", "departments", "--csv", str(place)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False,
    )  # fmt: skip


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Tables of a few rows."""
    folder = tmp_path / "few"
    folder.mkdir()
    panel_of_layout("departments", folder)
    for name in ("train", "features", "stores"):
        packed = gzip.compress((folder / f"{name}.csv").read_bytes())
        (folder / f"{name}.csv.gz").write_bytes(packed)
    return folder


@pytest.fixture(params=["few", "walmart_departments"])
def tables(request: pytest.FixtureRequest) -> Path:
    """These, and the real ones where they are."""
    folder: Path = request.getfixturevalue(request.param)
    return folder


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_sales_come_from_a_bucket_into_the_star_with_the_counts_of_their_manifest(
    spark: Path, tables: Path, server: Account, url: str, tmp_path: Path
) -> None:
    raw, staged = tmp_path / "raw", tmp_path / "staged"
    rows = deliver(raw, tables, n_parts=3, repeated=1)
    done = stage(spark, raw, staged)
    assert 0 == done.returncode, done.stderr[-3000:]
    assert rows == {name: file["rows"] for name, file in told(staged).items()}
    assert 2 == told(staged)["train.csv.gz"]["repeated"]

    server.reset()
    s3 = server.session("us-east-1").client("s3")
    s3.create_bucket(Bucket="shop")
    environment = {
        **server.environment(), "AWS_DEFAULT_REGION": "us-east-1", "DATABASE_URL": url,
        "VAR_DIR": str(tmp_path / "var"),
    }  # fmt: skip

    def loaded(*names: str) -> subprocess.CompletedProcess[str]:
        for name in names:
            s3.upload_file(str(staged / name), "shop", f"staged/{name}")
        return load("s3://shop/staged", environment)

    # The job died after its manifest, before the last file was in place.
    refused = loaded("manifest.json", "features.csv.gz", "stores.csv.gz")
    assert 1 == refused.returncode
    assert "train.csv.gz: the manifest names it, and it is not there" in refused.stderr

    whole = loaded("train.csv.gz")
    assert 0 == whole.returncode, whole.stderr
    sold = rows["train.csv.gz"]
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert sold == connection.scalar(sa.text("SELECT COUNT(target) FROM fact_sales"))
    engine.dispose()

    # Once more, and the files as they are without Spark: nothing is new, nothing is other.
    for place in ("s3://shop/staged", tables):
        assert "inserted 0, corrected 0, unchanged" in load(place, environment).stdout


def test_what_was_delivered_once_more_in_other_parts_becomes_the_same_bytes(
    spark: Path, few: Path, tmp_path: Path
) -> None:
    for folder, n_parts, repeated in (("a", 2, 1), ("b", 1, 0), ("a", 2, 1)):
        raw, staged = tmp_path / f"raw-{folder}", tmp_path / f"staged-{folder}"
        rows = deliver(raw, few, n_parts, repeated)
        done = stage(spark, raw, staged)
        assert 0 == done.returncode, done.stderr[-3000:]
    for name in rows:
        assert (tmp_path / "staged-a" / name).read_bytes() == (staged / name).read_bytes()
        assert (tmp_path / "staged-b" / name).read_bytes() == (staged / name).read_bytes()


@pytest.mark.skipif(
    "SPARK_CONF_DIR" not in os.environ,
    reason="SPARK_CONF_DIR has no spark-defaults.conf that brings the jars of hadoop-aws along",
)
def test_in_a_bucket_the_same_bytes_are_made_with_no_more_than_the_role_of_the_job_may(
    spark: Path, few: Path, server: Account, tmp_path: Path
) -> None:
    raw, staged = tmp_path / "raw", tmp_path / "staged"
    rows = deliver(raw, few, n_parts=3, repeated=1)
    assert 0 == stage(spark, raw, staged).returncode
    made = resources(delivery_layout="departments").values()
    (role,) = (item for item in made if isinstance(item, Role) and suffix(item) == "stage")
    (bucket,) = (one.name for one in made if isinstance(one, Bucket) and "mlflow" in one.name)
    server.reset()
    s3 = server.session("us-east-1").client("s3")
    s3.create_bucket(Bucket=bucket)
    for name in (MANIFEST, *told(raw)):
        s3.upload_file(str(raw / name), bucket, f"raw/1/{name}")
    rights: set[Right] = set()
    with relayed(server.url, rights) as url:
        done = stage(spark, f"s3://{bucket}/raw/1", f"s3://{bucket}/staged/1", **of_s3(url))
    assert 0 == done.returncode, done.stderr[-3000:]
    assert {"s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"} == {
        action for action, *_ in rights
    }
    assert [] == [
        (action, place, prefix)
        for action, place, prefix in rights
        if not allows(role.statements, action, f"arn:aws:s3:::{place}", {"s3:prefix": prefix})
    ]
    found = s3.list_objects_v2(Bucket=bucket, Prefix="staged")["Contents"]
    assert {f"staged/1/{name}" for name in (MANIFEST, *rows)} == {one["Key"] for one in found}
    for name in rows:
        body = s3.get_object(Bucket=bucket, Key=f"staged/1/{name}")["Body"].read()
        assert (staged / name).read_bytes() == body


def of_s3(url: str) -> dict[str, str]:
    """Return the settings of a Spark for the S3 at a URL, which Glue has of itself."""
    hadoop = {
        "s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem", "s3a.endpoint": url,
        "s3a.path.style.access": "true", "s3a.access.key": "any", "s3a.secret.key": "any",
    }  # fmt: skip
    return {f"spark.hadoop.fs.{name}": value for name, value in hadoop.items()}


def test_of_what_its_manifest_does_not_say_nothing_is_staged(
    spark: Path, few: Path, tmp_path: Path
) -> None:
    raw, staged = tmp_path / "raw", tmp_path / "staged"
    rows = deliver(raw, few, n_parts=2, repeated=0)
    (raw / "train" / "part-1.csv.gz").write_bytes(b"half")
    refused = stage(spark, raw, staged)
    assert (1, 1) == (refused.returncode, refused.stderr.count("part-1.csv.gz has 4 bytes of SHA"))
    deliver(raw, few, n_parts=1, repeated=0)
    rows["train/part-0.csv.gz"] = rows.pop("train.csv.gz") + 1
    tell(raw, rows)
    refused = stage(spark, raw, staged)
    assert (1, 1) == (refused.returncode, refused.stderr.count("5 rows, and by the manifest 6"))
    refused = stage(spark, "s3://bucket/raw", staged)  # which Spark reads on Glue alone
    assert 'No FileSystem for scheme "s3"' in refused.stderr.splitlines()[-1]
    assert not staged.exists()
