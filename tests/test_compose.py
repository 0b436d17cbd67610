"""The compose file: what it starts, with what, and who can reach it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from aws_cloud_infra.mlflow_host import start
from aws_cloud_infra.resources.containers.task_definition import WRITABLE
from sales_forecast.settings import Settings
from tests.dockerfile import IMAGES, ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name for name, service in SERVICES.items() if "build" in service}
WATCHING = {name for name, one in SERVICES.items() if one.get("profiles") == ["monitoring"]}


def test_it_builds_targets_that_are_there_and_pulls_pinned_images() -> None:
    for name, service in SERVICES.items():
        if name in OURS:
            assert service["build"]["target"] in IMAGES
            assert service["image"] == f"sales-forecast:{service['build']['target']}"
        else:
            assert re.search(r":v?\d+(\.\d+)+$", service["image"]), service["image"]


def test_ports_are_open_to_this_machine_alone() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    assert all(str(port).startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("name", sorted(OURS))
def test_what_is_ours_can_write_only_where_the_image_says(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    mounts = [*service["tmpfs"], *(m.split(":")[1] for m in service.get("volumes", ()))]
    assert set(mounts) <= set(WRITABLE.values())


def test_who_waits_for_health_waits_for_one_that_can_tell() -> None:
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in SERVICES[needed]


def test_it_sets_nothing_that_nobody_reads() -> None:
    for name in ("service", "train"):
        assert {key.lower() for key in SERVICES[name]["environment"]} <= set(Settings.model_fields)


def test_every_address_leads_to_a_service_a_login_and_a_bucket_that_are_made() -> None:
    made = COMPOSE["configs"]["databases"]["content"]
    text = json.dumps([SERVICES[name].get("environment") for name in SERVICES])
    databases = re.findall(r"mysql\+pymysql://(\w+):([\w-]+)@mysql/(\w+)", text)
    assert len(databases) == text.count("://") - text.count("http://") == 3
    for user, password, database in databases:
        assert f"CREATE DATABASE {database} " in made
        assert f"CREATE USER {user} IDENTIFIED BY '{password}';" in made
        assert f"GRANT ALL PRIVILEGES ON {database}.* TO {user};" in made
    assert set(re.findall(r"http://(\w+):", text)) <= set(SERVICES)
    (bucket,) = re.findall(r"s3://(\w+)/", " ".join(SERVICES["mlflow"]["command"]))
    assert SERVICES["s3"]["volumes"] == [f"artifacts:/data/{bucket}"]


def test_mlflow_is_started_with_the_options_it_has_on_its_host() -> None:
    options = re.compile(r"--[a-z-]+")
    on_the_host = Path(start.__file__).read_text()
    here = " ".join(SERVICES["mlflow"]["command"])
    login = {"--app-name"}  # here nobody else can reach it
    assert set(options.findall(here)) | login == set(options.findall(on_the_host))


def test_what_watches_reads_files_that_are_there_and_asks_services_that_are_started() -> None:
    mounts = [mount for name in WATCHING for mount in SERVICES[name]["volumes"]]
    files = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert len(files) == 5
    assert all((ROOT / file).exists() for file in files)
    folder = ROOT / "pipelines" / "monitoring"
    prometheus = yaml.safe_load((folder / "prometheus.yml").read_text())
    (scraped,) = prometheus["scrape_configs"]
    (told,) = prometheus["alerting"]["alertmanagers"]
    (shown,) = yaml.safe_load((folder / "grafana" / "datasource.yml").read_text())["datasources"]
    addresses = [
        *(target for one in (scraped, told) for target in one["static_configs"][0]["targets"]),
        shown["url"].removeprefix("http://"),
    ]
    for name, port in (address.split(":") for address in addresses):
        assert f"127.0.0.1:{port}:{port}" in SERVICES[name]["ports"]
