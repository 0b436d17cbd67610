"""SageMaker: sales are loaded, a model is trained, and served once somebody approved it.

python pipelines/sagemaker/pipeline.py apply           make the group of models and the pipeline
python pipelines/sagemaker/pipeline.py run             start the pipeline
python pipelines/sagemaker/pipeline.py promote LINK    let LINK name the newest approved bundle

Takes SAGEMAKER_ROLE, SAGEMAKER_IMAGE (of `docker build --target train`), SAGEMAKER_SERVE_IMAGE,
SAGEMAKER_BUCKET and, if it is not `stores`, SAGEMAKER_LAYOUT. Jobs are commands of the project;
`/opt/ml` and what is in it is SageMaker's.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3

NAME = "sales-forecast"
PIPELINE = {"PipelineName": NAME}
RESOURCES = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}
LONGEST = {"MaxRuntimeInSeconds": 4 * 3600}
Document = dict[str, Any]


def processing(env: Mapping[str, str]) -> Document:
    """Return the job that loads what lies in the bucket into a database in a file, kept there."""
    root = "/opt/ml/processing"
    layout = env.get("SAGEMAKER_LAYOUT", "stores")
    sales = f"{root}/sales" if layout != "stores" else f"{root}/sales/Walmart_Sales.csv"
    return {
        "AppSpecification": {
            "ImageUri": env["SAGEMAKER_IMAGE"],
            "ContainerEntrypoint": [
                "python", "database_loader.py", "--layout", layout, "--csv", sales,
            ],
        },
        "Environment": {"VAR_DIR": f"{root}/database"},
        "ProcessingInputs": [
            {
                "InputName": "sales",
                "S3Input": {
                    "S3Uri": f"s3://{env['SAGEMAKER_BUCKET']}/sales/",
                    "LocalPath": f"{root}/sales",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "database",
                    "S3Output": {
                        "S3Uri": _database(env),
                        "LocalPath": f"{root}/database",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
        "ProcessingResources": {"ClusterConfig": RESOURCES},
        "RoleArn": env["SAGEMAKER_ROLE"],
        "StoppingCondition": LONGEST,
    }  # fmt: skip


def training(env: Mapping[str, str]) -> Document:
    """Return the job that trains on that database; its model is the champion's bundle."""
    var = "/opt/ml/output/data"
    steps = (
        f"cp /opt/ml/input/data/database/sales.db {var}/",
        "python train.py",
        f"cp -RL {var}/champion/. /opt/ml/model/",
    )
    return {
        "AlgorithmSpecification": {
            "TrainingImage": env["SAGEMAKER_IMAGE"],
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["sh", "-c", " && ".join(steps)],
        },
        "Environment": {"VAR_DIR": var},
        "InputDataConfig": [
            {
                "ChannelName": "database",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": _database(env)}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{env['SAGEMAKER_BUCKET']}/trained/"},
        "ResourceConfig": RESOURCES,
        "RoleArn": env["SAGEMAKER_ROLE"],
        "StoppingCondition": LONGEST,
    }


def package(env: Mapping[str, str], model: Any) -> Document:
    """Return a version of the group that waits for a person's approval. `model`: its address."""
    return {
        "ModelPackageGroupName": NAME,
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [{"Image": env["SAGEMAKER_SERVE_IMAGE"], "ModelDataUrl": model}],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    }


def definition(env: Mapping[str, str]) -> str:
    """Return the three as one pipeline, each waiting for the one before."""
    model = {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}
    steps = (
        {"Name": "Load", "Type": "Processing", "Arguments": processing(env)},
        {"Name": "Train", "Type": "Training", "Arguments": training(env), "DependsOn": ["Load"]},
        {"Name": "Register", "Type": "RegisterModel", "Arguments": package(env, model)},
    )
    return json.dumps({"Version": "2020-12-01", "Steps": steps})


def _database(env: Mapping[str, str]) -> str:
    return f"s3://{env['SAGEMAKER_BUCKET']}/database/"


def apply(env: Mapping[str, str]) -> None:
    """Make group and pipeline, or bring the pipeline up to date."""
    sagemaker = boto3.client("sagemaker")
    groups = sagemaker.list_model_package_groups(NameContains=NAME)
    if NAME not in [one["ModelPackageGroupName"] for one in groups["ModelPackageGroupSummaryList"]]:
        sagemaker.create_model_package_group(ModelPackageGroupName=NAME)
    told = {
        **PIPELINE, "PipelineDefinition": definition(env),
        "RoleArn": env["SAGEMAKER_ROLE"],
    }  # fmt: skip
    pipelines = sagemaker.list_pipelines(PipelineNamePrefix=NAME)["PipelineSummaries"]
    if NAME in [one["PipelineName"] for one in pipelines]:
        sagemaker.update_pipeline(**told)
    else:
        sagemaker.create_pipeline(**told)


def promote(link: Path) -> str:
    """Fetch the newest approved bundle beside a link and let the link name it, in one step.

    Whoever serves it proves it first, as each bundle. Raises SystemExit where none is approved.
    """
    sagemaker = boto3.client("sagemaker")
    approved = sagemaker.list_model_packages(
        ModelPackageGroupName=NAME, ModelApprovalStatus="Approved",
        SortBy="CreationTime", SortOrder="Descending", MaxResults=1,
    )["ModelPackageSummaryList"]  # fmt: skip
    if not approved:
        raise SystemExit(f"No version of {NAME} is approved; {link} stays as it is.")
    arn = approved[0]["ModelPackageArn"]
    container = sagemaker.describe_model_package(ModelPackageName=arn)["InferenceSpecification"]
    bucket, _, key = container["Containers"][0]["ModelDataUrl"].removeprefix("s3://").partition("/")
    packed = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    folder = link.with_name(f"{NAME}-{arn.rsplit('/', 1)[-1]}")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    made = link.with_name(f"{link.name}.new")
    made.unlink(missing_ok=True)
    made.symlink_to(folder.name)
    made.replace(link)
    return f"{link} names {arn}."


def main() -> None:
    """Do one of the three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("apply")
    verbs.add_parser("run")
    verbs.add_parser("promote").add_argument("link", type=Path, metavar="LINK")
    arguments = parser.parse_args()
    if arguments.verb == "apply":
        apply(os.environ)
    elif arguments.verb == "run":
        print(
            boto3.client("sagemaker").start_pipeline_execution(**PIPELINE)["PipelineExecutionArn"]
        )
    else:
        print(promote(arguments.link))


if __name__ == "__main__":
    main()
