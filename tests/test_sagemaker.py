"""SageMaker's jobs, pipeline and versions: made as they are defined, served once approved."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.apart import script
from tests.aws.account import Account
from tests.roads import SAGEMAKER


@pytest.fixture(scope="module")
def pipeline() -> ModuleType:
    return script("sagemaker/pipeline")


@pytest.fixture
def session(empty_account: Account) -> Any:
    made = empty_account.session("us-east-1")
    made.client("s3").create_bucket(Bucket="shop")
    return made


def test_the_pipeline_is_made_once_and_then_brought_up_to_date(
    pipeline: ModuleType, session: Any
) -> None:
    sagemaker = session.client("sagemaker")
    for layout in ("stores", "departments"):
        env = {**SAGEMAKER, "SAGEMAKER_LAYOUT": layout}
        pipeline.apply(env)
        found = sagemaker.describe_pipeline(PipelineName="sales-forecast")
        assert json.loads(pipeline.definition(env)) == json.loads(found["PipelineDefinition"])
    assert 1 == len(sagemaker.list_pipelines()["PipelineSummaries"])
    assert 1 == len(sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"])
    started = sagemaker.start_pipeline_execution(PipelineName="sales-forecast")
    assert "sales-forecast" in started["PipelineExecutionArn"]


def test_a_step_waits_for_what_it_reads(pipeline: ModuleType) -> None:
    load, train, register = json.loads(pipeline.definition(SAGEMAKER))["Steps"]
    (written,) = load["Arguments"]["ProcessingOutputConfig"]["Outputs"]
    (channel,) = train["Arguments"]["InputDataConfig"]
    assert written["S3Output"]["S3Uri"] == channel["DataSource"]["S3DataSource"]["S3Uri"]
    assert ["Load"] == train["DependsOn"]
    (container,) = register["Arguments"]["InferenceSpecification"]["Containers"]
    assert f"Steps.{train['Name']}." in container["ModelDataUrl"]["Get"]
    assert "PendingManualApproval" == register["Arguments"]["ModelApprovalStatus"]


def test_each_job_is_one_that_sagemaker_takes_alone_as_well(
    pipeline: ModuleType, session: Any
) -> None:
    sagemaker = session.client("sagemaker")
    load, train = pipeline.processing(SAGEMAKER), pipeline.training(SAGEMAKER)
    sagemaker.create_processing_job(ProcessingJobName="load", **load)
    sagemaker.create_training_job(TrainingJobName="train", **train)
    found = sagemaker.describe_processing_job(ProcessingJobName="load")
    assert load == {name: found[name] for name in load}
    found = sagemaker.describe_training_job(TrainingJobName="train")
    del found["AlgorithmSpecification"]["MetricDefinitions"]  # of SageMaker's own
    assert train == {name: found[name] for name in train}


def packed(note: str) -> bytes:
    """A model as a training job leaves it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(note)
        archive.addfile(entry, io.BytesIO(note.encode()))
    return buffer.getvalue()


def test_a_bundle_is_served_once_it_is_approved_and_not_before(
    pipeline: ModuleType, session: Any, tmp_path: Path
) -> None:
    sagemaker, s3 = session.client("sagemaker"), session.client("s3")
    pipeline.apply(SAGEMAKER)

    def registered(note: str) -> str:
        s3.put_object(Bucket="shop", Key=f"trained/{note}/model.tar.gz", Body=packed(note))
        told = pipeline.package(SAGEMAKER, f"s3://shop/trained/{note}/model.tar.gz")
        return sagemaker.create_model_package(**told)["ModelPackageArn"]

    def decide(arn: str, status: str) -> None:
        sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus=status)

    link = tmp_path / "champion"
    first = registered("first")
    with pytest.raises(SystemExit, match="No version of sales-forecast is approved"):
        pipeline.promote(link)
    assert not link.exists()
    decide(first, "Approved")
    assert f"{link} names {first}." == pipeline.promote(link)
    assert "first" == (link / "manifest.json").read_text()

    second, third = registered("second"), registered("third")
    decide(third, "Rejected")
    pipeline.promote(link)
    assert "first" == (link / "manifest.json").read_text()
    decide(second, "Approved")
    pipeline.promote(link)
    assert "second" == (link / "manifest.json").read_text()
