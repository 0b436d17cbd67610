"""What a deployment may choose, and what it is told otherwise. Nothing here reaches AWS."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from aws_cloud_infra.account.offers import LOG_DAYS, TASK_MEMORY
from aws_cloud_infra.account.settings import InfraSettings, load_settings
from sales_forecast.errors import SettingsError

CERTIFICATE = (
    "arn:aws:acm:eu-central-1:123456789012:certificate/11112222-aaaa-bbbb-cccc-333344445555"
)

Load = Callable[..., InfraSettings]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting, no profile, one region, and no way to reach anything."""
    for name in os.environ:
        if name.startswith(("AWS_", "INFRA_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_REGION", "eu-central-1")

    def unreachable(*_: object) -> None:
        raise AssertionError("settings are checked without a call")

    monkeypatch.setattr(socket.socket, "connect", unreachable)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def from_toml(text: str = "") -> InfraSettings:
        file = tmp_path / "infra.toml"
        file.write_text(text)
        return load_settings(file)

    return from_toml


def test_without_anything_there_are_defaults() -> None:
    settings = load_settings()

    assert ("sales-forecast", "production", "eu-central-1") == (
        settings.project,
        settings.environment,
        settings.region,
    )
    assert (1, 4, False) == (settings.min_tasks, settings.max_tasks, settings.schedules_enabled)
    assert None is settings.alarm_email


def test_the_environment_wins_over_the_file(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_MIN_TASKS", "3")

    settings = load('min_tasks = 2\nmax_tasks = 8\nenvironment = "staging"')

    assert (3, 8, "staging") == (settings.min_tasks, settings.max_tasks, settings.environment)


def test_a_region_of_the_file_wins_over_the_one_of_boto3(load: Load) -> None:
    assert "us-west-2" == load('region = "us-west-2"').region


def test_the_region_may_come_from_the_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[profile work]\nregion = eu-north-1\n")
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_PROFILE", "work")

    assert "eu-north-1" == load_settings().region


def test_lists_are_lists_in_a_file_and_words_in_a_variable(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones = ("eu-central-1a", "eu-central-1c")

    assert (
        zones == load('availability_zones = ["eu-central-1a", "eu-central-1c"]').availability_zones
    )
    for text in ("eu-central-1a,eu-central-1c", "eu-central-1a, eu-central-1c"):
        monkeypatch.setenv("INFRA_AVAILABILITY_ZONES", text)
        assert zones == load_settings().availability_zones


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load_settings().min_tasks = 5


RIGHT = [
    'project = "a1-b2"', 'environment = "dev"', 'region = "il-central-1"',
    'project = "internals"', 'project = "sgx"',
    'vpc_cidr = "10.20.0.0/24"', 'vpc_cidr = "172.31.0.0/16"', 'vpc_cidr = "192.168.4.0/22"',
    'domain = "forecasts.example.com"\nhosted_zone_id = "Z0123456789ABCDEFGHIJ"',
    f'certificate_arn = "{CERTIFICATE}"', 'alarm_email = "a.b+c@example.co.uk"',
    'github_repository = "acme/sales.forecast-2"', 'github_branch = "release/1.x"',
    "task_cpu = 1024\ntask_memory = 2048", "job_cpu = 4096\njob_memory = 30720",
    "min_tasks = 1\nmax_tasks = 1", "min_tasks = 100\nmax_tasks = 100",
    "target_cpu_percent = 90", "target_requests_per_minute = 60", "schedules_enabled = true",
    *(f"log_days = {days}" for days in LOG_DAYS),
    'instance_type = "t3.large"', 'database_class = "db.m6g.large"',
    "database_storage_gb = 1000", "database_backup_days = 35", "instance_disk_gb = 20",
    'weekly_schedule = "cron(0/15 * * * ? *)"', 'weekly_schedule = "cron(0 6 1,15 * ? 2026-2030)"',
    'weekly_schedule = "cron(30 23 L JAN-MAR ? *)"', 'weekly_schedule = "cron(0 6 ? * MON-FRI *)"',
    'weekly_schedule = "cron(0 6 ? * 6#3 *)"', 'weekly_schedule = "cron(0 6 ? * 5L *)"',
    'check_schedule = "cron(0 6 15W * ? *)"', 'check_schedule = "cron(0 6 LW * ? *)"',
    ('vpc_id = "vpc-0123456789abcdef0"\n'
    'public_subnet_ids = ["subnet-01234567", "subnet-89abcdef"]\n'
    'private_subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]'),
]  # fmt: skip


@pytest.mark.parametrize("text", RIGHT)
def test_this_is_taken(load: Load, text: str) -> None:
    load(text)


WRONG = [
    # What a file says, and what must be in the message: the setting, the value, what is allowed.
    ('project = "Sales"', "project", "pattern", "[a-z]"),
    ('project = "sales-"', "project", "pattern"),
    ('project = "a-name-of-too-many"', "project", "at most 16"),
    ('project = "internal"', "project", "internal cannot be", "load balancers"),
    ('project = "internal-sales"', "project", "load balancers"),
    ('project = "sg"', "project", "sg cannot be a project", "security groups"),
    ('project = "aws-sales"', "project", "log groups"),
    ('project = "aws"', "project", "aws cannot be a project", "parameters"),
    ('project = "ssm"', "project", "ssm cannot be a project", "parameters"),
    ('region = "cn-north-1"', "region", "cn-north-1 is in aws-cn", "Take a region of aws"),
    ('region = "us-gov-west-1"', "region", "us-gov-west-1 is in aws-us-gov", "prices of its own"),
    ('environment = "prod_1"', "environment", "pattern"),
    ('environment = "production-2"', "environment", "at most 10"),
    ('region = "eu-middle-9"', "region", "eu-middle-9 is not one of", "eu-central-1", "AWS_REGION"),
    ('vpc_cidr = "10.20.0.1/16"', "vpc_cidr", "host bits", "10.20.0.0/16"),
    ('vpc_cidr = "here"', "vpc_cidr", "here", "10.20.0.0/16"),
    ('vpc_cidr = "8.8.0.0/16"', "vpc_cidr", "8.8.0.0/16", "10.0.0.0/8", "192.168.0.0/16"),
    ('vpc_cidr = "127.0.0.0/16"', "vpc_cidr", "127.0.0.0/16", "172.16.0.0/12"),
    ('vpc_cidr = "10.0.0.0/8"', "vpc_cidr", "/16 to /24"),
    ('vpc_cidr = "10.20.0.0/25"', "vpc_cidr", "/16 to /24"),
    ('availability_zones = ["eu-central-1a"]', "availability_zones", "two of eu-central-1",
     "eu-central-1b", "eu-central-1a"),
    ('availability_zones = ["eu-central-1a", "eu-central-1a"]', "must be two"),
    ('availability_zones = ["us-east-1a", "us-east-1b"]', "two of eu-central-1", "us-east-1a"),
    ("availability_zones = [1, 2]", "availability_zones.0 must be a text, not 1"),
    ('domain = "forecasts"\nhosted_zone_id = "Z1"', "domain", "forecasts.example.com"),
    ('domain = "https://a.example.com"\nhosted_zone_id = "Z1"', "domain", "forecasts.example.com"),
    ('domain = "forecasts.example.com"\nhosted_zone_id = "my zone"', "hosted_zone_id", "Z0123"),
    ('domain = "forecasts.example.com"', "domain and hosted_zone_id go together"),
    ('hosted_zone_id = "Z0123"', "domain and hosted_zone_id go together"),
    (f'domain = "a.example.com"\nhosted_zone_id = "Z1"\ncertificate_arn = "{CERTIFICATE}"',
     "domain makes a certificate, certificate_arn names one: give one"),
    ('certificate_arn = "cert-1"', "certificate_arn", "arn:aws:acm:REGION:ACCOUNT"),
    (f'certificate_arn = "{CERTIFICATE}"\nregion = "us-east-1"', "certificate_arn", "us-east-1"),
    ('alarm_email = "team"', "alarm_email", "team", "somebody@example.com"),
    ('github_repository = "forecasts"', "github_repository", "forecasts", "owner/name"),
    ('github_repository = "a/b/c"', "github_repository", "owner/name"),
    ('github_branch = "main:*"', "github_branch", "pattern"),
    ("task_cpu = 300", "task_cpu", "300 is not one of 256, 512, 1024, 2048, 4096"),
    ("task_memory = 4096", "task_memory", "4096 is not one of 512, 1024, 2048", "task_cpu = 256"),
    ("job_cpu = 1", "job_cpu", "256, 512, 1024, 2048, 4096"),
    ("job_memory = 512", "job_memory", "512 is not one of 4096", "job_cpu = 2048"),
    ("min_tasks = 0", "min_tasks", "at least 1"),
    ("max_tasks = 101", "max_tasks", "at most 100"),
    ("min_tasks = 5", "min_tasks 5 is more than max_tasks 4"),
    ('min_tasks = "few"', "min_tasks must be a whole number, not 'few'"),
    ("target_cpu_percent = 9", "target_cpu_percent", "at least 10"),
    ("target_cpu_percent = 91", "target_cpu_percent", "at most 90"),
    ("target_requests_per_minute = 59", "target_requests_per_minute", "60"),
    ("target_requests_per_minute = 1_000_001", "target_requests_per_minute", "1000000"),
    ("log_days = 17", "log_days", "17 is not one of 1, 3, 5, 7, 14, 30"),
    ('schedules_enabled = "perhaps"', "schedules_enabled", "must be true or false, not"),
    ('instance_type = "t2.nano"', "instance_type", "t2.nano is not one of t3.small, t3.medium"),
    ("instance_disk_gb = 19", "instance_disk_gb", "at least 20"),
    ("instance_disk_gb = 1001", "instance_disk_gb", "at most 1000"),
    ('database_class = "db.x"', "database_class", "db.x is not one of db.t4g.micro"),
    ("database_storage_gb = 19", "database_storage_gb", "at least 20"),
    ("database_storage_gb = 1001", "database_storage_gb", "at most 1000"),
    ("database_max_storage_gb = 21", "", "must be at least 22, a tenth more than"),
    ("database_backup_days = 0", "database_backup_days", "at least 1"),
    ("database_backup_days = 36", "database_backup_days", "at most 35"),
    ("database_multi_az = 3", "database_multi_az", "must be true or false, not"),
    ('vpc_id = "mine"', "vpc_id", "mine does not look like vpc-0123456789abcdef0"),
    ('vpc_id = "vpc-01234567"', "public_subnet_ids must be two subnets"),
    ('vpc_id = "vpc-01234567"\npublic_subnet_ids = ["subnet-01234567", "subnet-89abcdef"]',
     "private_subnet_ids must be two subnets"),
    ('vpc_id = "vpc-01234567"\npublic_subnet_ids = ["subnet-01234567", "subnet-01234567"]',
     "public_subnet_ids must be two subnets in different zones"),
    ('public_subnet_ids = ["subnet-01234567", "subnet-89abcdef"]', "without their vpc_id"),
    ('public_subnet_ids = ["a", "b"]', "public_subnet_ids", "subnet-0123456789abcdef0"),
    ('private_subnet_ids = ["a", "b"]', "private_subnet_ids", "subnet-0123456789abcdef0"),
    ('weekly_schedule = "rate(1 day)"', "weekly_schedule", "cron(minute hour day of month"),
    ('weekly_schedule = "cron(0 6 * * MON)"', "weekly_schedule", "cron(0 6 ? * MON *)"),
    ('check_schedule = "cron(60 6 ? * MON *)"', "check_schedule", "minute 60 is not 0 to 59"),
    ('check_schedule = "cron(0 24 ? * MON *)"', "hour 24 is not 0 to 23"),
    ('check_schedule = "cron(0 6 0 * ? *)"', "day of month 0 is not 1 to 31"),
    ('check_schedule = "cron(0 6 1-32 * ? *)"', "day of month 32 is not 1 to 31"),
    ('check_schedule = "cron(0 6 1 13 ? *)"', "month 13 is not 1 to 12"),
    ('check_schedule = "cron(0 6 ? * 0 *)"', "day of week 0 is not 1 to 7"),
    ('check_schedule = "cron(0 6 ? * MON 1969)"', "year 1969 is not 1970 to 2199"),
    ('check_schedule = "cron(0 6 ? * FRY *)"', "day of week FRY is not one of 1 to 7, SUN, MON"),
    ('check_schedule = "cron(0 6 ? OKT MON *)"', "month OKT is not one of 1 to 12, JAN"),
    ('check_schedule = "cron(a 6 ? * MON *)"', "minute a is not one of 0 to 59"),
    ('check_schedule = "cron(? 6 ? * MON *)"', "minute cannot be ?"),
    ('check_schedule = "cron(0 6 * * MON *)"', "exactly one of day of month and day of week"),
    ('check_schedule = "cron(0 6 ? * ? *)"', "exactly one of day of month and day of week"),
    ("colour = 1", "colour", "Known settings: project, environment, region"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), [(text, said) for text, *said in WRONG])
def test_this_is_refused_with_what_is_allowed(load: Load, text: str, said: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        load(text)

    for part in said:
        assert part in refused.value.message
    assert "bad_settings" == refused.value.code


@pytest.mark.parametrize("name", InfraSettings.model_fields)
def test_every_setting_can_be_given_by_a_variable_and_is_checked(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"INFRA_{name.upper()}", "!")

    with pytest.raises(SettingsError) as refused:
        load_settings()

    assert name in refused.value.message


def test_a_variable_that_names_no_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_MIN_TASK", "3")

    with pytest.raises(SettingsError, match=r"INFRA_MIN_TASK: .* Known .*INFRA_MIN_TASKS"):
        load_settings()


def test_without_any_region_it_says_where_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")

    with pytest.raises(SettingsError, match=r"region: none is not one of .* Give AWS_REGION"):
        load_settings()


def test_every_pair_of_cpu_and_memory_that_fargate_offers_is_taken(load: Load) -> None:
    for cpu, memories in TASK_MEMORY.items():
        for memory in (memories[0], memories[-1]):
            assert cpu == load(f"task_cpu = {cpu}\ntask_memory = {memory}").task_cpu
        with pytest.raises(SettingsError):
            load(f"task_cpu = {cpu}\ntask_memory = {memories[-1] + 1}")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"

    with pytest.raises(SettingsError, match=r"missing\.toml cannot be read: No such file"):
        load_settings(missing)
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load_settings(tmp_path)


def test_a_file_that_is_not_toml_is_named_with_the_line(load: Load, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"infra\.toml is not TOML: .*line 2"):
        load("min_tasks = 1\nmax_tasks: 2")

    (tmp_path / "latin.toml").write_bytes(b'project = "\xe4"')
    with pytest.raises(SettingsError, match=r"latin\.toml is not TOML"):
        load_settings(tmp_path / "latin.toml")
