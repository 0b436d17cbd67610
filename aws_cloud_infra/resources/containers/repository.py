"""The container registry: one repository, in which a tag stays what it is.

Makes the repository, and says what the tags of images begin with; the pipeline pushes them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import as_tags, from_tags, read, remove
from aws_cloud_infra.account.documents import canonical
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings

DEPLOYABLE = ("serve-", "train-")
"""What the tags of images start with that are deployed: the service, its jobs."""
CANDIDATE = "candidate-"
"""What the tag of an image starts with that is pushed, but not yet released."""
_OLD = {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": 7}
_MANY = {"countType": "imageCountMoreThan", "countNumber": 15}
_EXPECTED_GB = 2
"""What some ten images take, as layers that they share are stored once."""


@dataclass(frozen=True, eq=False)
class Repository(Resource):
    """A repository: what is pushed under a tag stays what it is, and is scanned."""

    kind = "container repository"
    fixed = frozenset({"encryption"})
    permissions = (
        Permission(
            ("ecr:DescribeRepositories", "ecr:ListTagsForResource", "ecr:GetLifecyclePolicy",
             "ecr:GetRepositoryPolicy", "ecr:CreateRepository", "ecr:TagResource",
             "ecr:PutImageScanningConfiguration", "ecr:PutImageTagMutability",
             "ecr:PutLifecyclePolicy", "ecr:DeleteRepositoryPolicy", "ecr:DeleteRepository"),
            ("arn:{partition}:ecr:{region}:{account}:repository/{name}",),
        ),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return self.aws.arn("ecr", f"repository/{self.name}")

    @property
    def uri(self) -> str:
        """Where images are pushed to and pulled from; known before it exists."""
        return f"{self.aws.account}.dkr.ecr.{self.aws.region}.amazonaws.com/{self.name}"

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """What is stored."""
        return (("ecr GB", _EXPECTED_GB),)

    def desired(self, ids: Ids) -> Settings:
        """Nobody beside this account may pull: there is no repository policy."""
        return {
            "scan_on_push": True,
            "tag_mutability": "IMMUTABLE",
            "encryption": "AES256",
            "expiry": [
                _rule(1, "untagged images", _OLD, tagStatus="untagged"),
                # AWS lets the first rule decide that an image's tags fit: the last one only sees
                # candidates that are nothing more.
                *(
                    _rule(
                        2 + index, f"the oldest {prefix}...", _MANY,
                        tagStatus="tagged", tagPrefixList=[prefix],
                    )
                    for index, prefix in enumerate(DEPLOYABLE)
                ),
                _rule(
                    2 + len(DEPLOYABLE), f"old {CANDIDATE}...", _OLD,
                    tagStatus="tagged", tagPrefixList=[CANDIDATE],
                ),
            ],
            "policy": {},
        }  # fmt: skip

    def find(self) -> Live | None:
        """Find it by its name."""
        ecr = self.aws.client("ecr")
        answer = read(ecr.describe_repositories, repositoryNames=[self.name])
        if not answer:
            return None
        found = answer["repositories"][0]
        expiry = read(ecr.get_lifecycle_policy, repositoryName=self.name)
        policy = read(ecr.get_repository_policy, repositoryName=self.name)
        tags = read(ecr.list_tags_for_resource, resourceArn=found["repositoryArn"])
        return Live(
            found["repositoryUri"],
            {
                "scan_on_push": found["imageScanningConfiguration"]["scanOnPush"],
                "tag_mutability": found["imageTagMutability"],
                "encryption": found["encryptionConfiguration"]["encryptionType"],
                "expiry": _rules(expiry["lifecyclePolicyText"]) if expiry else [],
                "policy": canonical(policy["policyText"]) if policy else {},
            },
            from_tags(tags["tags"] if tags else ()),
        )

    def create(self, desired: Settings) -> None:
        """Make it; the expiry takes a call of its own."""
        self.aws.client("ecr").create_repository(
            repositoryName=self.name,
            imageTagMutability=desired["tag_mutability"],
            imageScanningConfiguration={"scanOnPush": desired["scan_on_push"]},
            encryptionConfiguration={"encryptionType": desired["encryption"]},
            tags=as_tags(self.aws.tags),
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write each setting by its own call."""
        ecr = self.aws.client("ecr")
        if "scan_on_push" in changed:
            ecr.put_image_scanning_configuration(
                repositoryName=self.name,
                imageScanningConfiguration={"scanOnPush": desired["scan_on_push"]},
            )
        if "tag_mutability" in changed:
            ecr.put_image_tag_mutability(
                repositoryName=self.name, imageTagMutability=desired["tag_mutability"]
            )
        if "expiry" in changed:
            ecr.put_lifecycle_policy(
                repositoryName=self.name,
                lifecyclePolicyText=json.dumps({"rules": desired["expiry"]}),
            )
        if "policy" in changed:
            remove(ecr.delete_repository_policy, repositoryName=self.name)

    def delete(self, live: Live) -> None:
        """Delete it with the images in it: they can be built again."""
        remove(self.aws.client("ecr").delete_repository, repositoryName=self.name, force=True)


def _rule(priority: int, what: str, count: Settings, **tags: str | list[str]) -> dict[str, Any]:
    return {
        "rulePriority": priority,
        "description": f"expire {what}",
        "selection": {**tags, **count},
        "action": {"type": "expire"},
    }


def _rules(text: str) -> list[dict[str, Any]]:
    """Return the rules of an expiry policy in the order in which they count."""
    rules: list[dict[str, Any]] = json.loads(text)["rules"]
    return sorted(rules, key=lambda rule: rule["rulePriority"])
