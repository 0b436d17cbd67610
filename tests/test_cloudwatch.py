"""What CloudWatch is told of judged forecasts, in an emulated account."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sales_forecast.errors import NoticeError, SettingsError
from sales_forecast.evaluation.error_sums import Measures
from sales_forecast.operations.cloudwatch import Metric, metrics, publish
from sales_forecast.settings import load_settings
from tests.aws.account import Account
from tests.mlflow_server import free_port
from tests.test_batch import load
from tests.test_monday import MONDAY, N_WEEKS, place, run
from tests.two_keys import panel

NAMESPACE = "shop-production"
NEAR = Measures(9, wape=0.05, bias=-0.02, wmae=1.0, skill=0.2, coverage_80=0.8, coverage_95=0.9,
                wql=0.0)  # fmt: skip
FAR = replace(NEAR, wape=0.07, skill=float("nan"), coverage_80=0.7)


@pytest.fixture(autouse=True)
def at_hand(server: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    server.reset()
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


def values(told: list[Metric]) -> dict[str, float]:
    """Return name and labels -> value."""
    return {
        " ".join([item["MetricName"], *(f"{of['Name']}={of['Value']}" for of in labels)]):
            round(item["Value"], 6)
        for item in told
        for labels in [item["Dimensions"]]
    }  # fmt: skip


def test_each_lag_is_told_and_their_mean_and_nothing_that_does_not_exist() -> None:
    assert {
        "StepsFailed": 2,
        "RealisedWape Lag=1": 0.05, "RealisedWape Lag=13": 0.07, "RealisedWape": 0.06,
        "RealisedBias Lag=1": -0.02, "RealisedBias Lag=13": -0.02, "RealisedBias": -0.02,
        "Skill Lag=1": 0.2, "Skill": 0.2,
        "Coverage Level=80 Lag=1": 0.8, "Coverage Level=80 Lag=13": 0.7, "Coverage Level=80": 0.75,
        "Coverage Level=95 Lag=1": 0.9, "Coverage Level=95 Lag=13": 0.9, "Coverage Level=95": 0.9,
    } == values([*metrics({1: NEAR, 13: FAR}, failed=2)])  # fmt: skip
    assert {"StepsFailed": 0} == values([*metrics({}, failed=0)])


def test_the_weekly_job_tells_what_was_judged_once(server: Account, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sales.db"
    settings = place(tmp_path, url)
    assert "metrics" not in {result.step for result in run(settings).results}
    load(url, panel(N_WEEKS + 1))
    settings = settings.model_copy(update={"cloudwatch_namespace": NAMESPACE})
    told = {result.step: result for result in run(settings, MONDAY).results}
    assert f"11 metrics to the namespace {NAMESPACE}" == told["metrics"].told
    assert "was done" == {of.step: of.status for of in run(settings).results}["metrics"]

    cloudwatch = server.session().client("cloudwatch")
    there = cloudwatch.list_metrics(Namespace=NAMESPACE)["Metrics"]
    assert {"StepsFailed", "RealisedWape", "RealisedBias", "Skill", "Coverage"} == {
        item["MetricName"] for item in there
    }
    now = datetime.now(UTC)
    (point,) = cloudwatch.get_metric_statistics(
        Namespace=NAMESPACE, MetricName="StepsFailed", Statistics=["Sum", "SampleCount"],
        StartTime=now - timedelta(hours=1), EndTime=now + timedelta(hours=1), Period=7200,
    )["Datapoints"]  # fmt: skip
    assert (0, 1) == (point["Sum"], point["SampleCount"])


def test_a_refusal_of_aws_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoticeError, match=r"not told: AWS refuses it \(\w+\)\.$"):
        publish(NAMESPACE, [{"MetricName": "Skill", "Value": float("nan")}])
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NoticeError, match=r"it cannot be reached \(EndpointConnectionError\)\.$"):
        publish(NAMESPACE, metrics({}, failed=0))


@pytest.mark.parametrize("namespace", ["", "a b"])
def test_a_namespace_that_can_never_be_is_refused(
    namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDWATCH_NAMESPACE", namespace)
    with pytest.raises(SettingsError, match="CLOUDWATCH_NAMESPACE"):
        load_settings()
