"""The container registry on an emulated account."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Live, Resource
from aws_cloud_infra.resources.containers.image import Image, is_pushed
from aws_cloud_infra.resources.containers.repository import Repository
from tests.aws.account import Account
from tests.aws.lifecycle import Drift, check_life, quietly

URI = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/sales-forecast-production"


def registry(aws: Aws) -> Sequence[Resource]:
    repository = Repository(aws, aws.prefix)
    return [repository, Image(aws, f"{aws.prefix}-service", repository, "service-")]


def push(aws: Aws, *tags: str) -> str:
    """Put an image of this content into the repository; return its digest."""
    layer = f"sha256:{hashlib.sha256(' '.join(tags).encode()).hexdigest()}"
    manifest = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "layers": [{"digest": layer, "size": 1}],
    }
    for tag in tags:
        answer = aws.client("ecr").put_image(
            repositoryName=aws.prefix, imageManifest=json.dumps(manifest), imageTag=tag
        )
    return str(answer["image"]["imageId"]["imageDigest"])


def telling(account: Account, change: Callable[[dict[str, Any]], None]) -> Sequence[Resource]:
    """Return resources to whom AWS tells something else about each image."""
    session = account.session()

    def tell(parsed: dict[str, Any], **_: Any) -> None:
        for image in parsed.get("imageDetails", ()):
            change(image)

    session.events.register("after-call.ecr.DescribeImages", tell)
    return registry(account.aws(session))


def _expiry(*rules: dict[str, Any]):
    return lambda aws, _: aws.client("ecr").put_lifecycle_policy(
        repositoryName=aws.prefix, lifecyclePolicyText=json.dumps({"rules": list(rules)})
    )


def _share_with_everybody(aws: Aws, _live: Live) -> None:
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
    aws.client("ecr").set_repository_policy(
        repositoryName=aws.prefix,
        policyText=json.dumps({"Version": "2012-10-17", "Statement": [everybody]}),
    )


DRIFTS = [
    Drift(Repository, "scan_on_push", lambda aws, _: aws.client(
        "ecr").put_image_scanning_configuration(
            repositoryName=aws.prefix, imageScanningConfiguration={"scanOnPush": False})),
    Drift(Repository, "tag_mutability", lambda aws, _: aws.client("ecr").put_image_tag_mutability(
        repositoryName=aws.prefix, imageTagMutability="MUTABLE")),
    Drift(Repository, "expiry", _expiry({
        "rulePriority": 1,
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
        "action": {"type": "expire"},
    })),
    Drift(Repository, "expiry", lambda aws, _: aws.client("ecr").delete_lifecycle_policy(
        repositoryName=aws.prefix)),
    Drift(Repository, "policy", _share_with_everybody),
]  # fmt: skip


def test_the_registry_is_made_healed_and_removed(account: Account) -> None:
    check_life(account, registry, DRIFTS)


def test_the_order_in_which_aws_tells_the_expiry_rules_does_not_matter(account: Account) -> None:
    aws = account.aws()
    resources = registry(aws)
    apply(plan(resources), quietly)
    text = aws.client("ecr").get_lifecycle_policy(repositoryName=aws.prefix)["lifecyclePolicyText"]
    _expiry(*reversed(json.loads(text)["rules"]))(aws, None)
    assert {Action.KEEP} == {change.action for change in plan(resources)}


def test_what_was_released_does_not_expire_as_a_candidate(account: Account) -> None:
    """An image expires by the first rule that its tags fit, and a released one has both tags."""
    repository, _ = registry(account.aws())
    rules = repository.desired({})["expiry"]
    ranks = {
        prefix: rule["rulePriority"]
        for rule in rules
        for prefix in rule["selection"].get("tagPrefixList", ())
    }
    assert {"serve-", "train-", "candidate-"} == ranks.keys()
    assert "candidate-" == max(ranks, key=ranks.__getitem__)


def test_another_encryption_is_refused_not_changed(account: Account) -> None:
    aws = account.aws()
    aws.client("ecr").create_repository(
        repositoryName=aws.prefix,
        encryptionConfiguration={"encryptionType": "KMS"},
        tags=[{"Key": key, "Value": value} for key, value in aws.tags.items()],
    )
    change = plan(registry(aws))[0]
    assert change.action is Action.REFUSE
    assert "encryption is KMS, not AES256" in change.reason


def test_a_repository_with_images_is_deleted_all_the_same(account: Account) -> None:
    aws = account.aws()
    repository, _ = registry(aws)
    apply(plan([repository]), quietly)
    push(aws, "service-1")
    live = repository.find()
    assert live is not None
    repository.delete(live)
    assert repository.find() is None
    repository.delete(live)


def test_the_uri_and_arn_are_known_before_the_repository_exists(account: Account) -> None:
    aws = account.aws()
    repository, _ = registry(aws)
    apply(plan([repository]), quietly)
    live = repository.find()
    assert live is not None
    assert URI == live.id == repository.uri
    (found,) = aws.client("ecr").describe_repositories()["repositories"]
    assert found["repositoryArn"] == repository.arn


def test_without_a_repository_or_an_image_it_says_what_to_push(account: Account) -> None:
    aws = account.aws()
    repository, image = registry(aws)
    before = image.find()
    apply(plan([repository]), quietly)
    push(aws, "job-1")
    after = image.find()
    assert before is not None
    assert after is not None
    for live in (before, after):
        assert f"{URI}:none" == live.id
        assert (f"no image pushed yet: push one tagged service-... to {URI}",) == live.notes
        assert not is_pushed(live.id)


def test_the_newest_image_of_the_prefix_counts(account: Account) -> None:
    aws = account.aws()
    apply(plan(registry(aws)), quietly)
    digests = [push(aws, tag) for tag in ("service-b", "service-c", "service-a", "job-1")]
    assert len(set(digests)) == 4

    def day_by_day(image: dict[str, Any]) -> None:
        """The emulator's clock only has seconds."""
        day = digests.index(image["imageDigest"]) + 1
        image["imagePushedAt"] = datetime(2025, 6, day, tzinfo=UTC)

    _, image = telling(account, day_by_day)
    live = image.find()
    assert live is not None
    assert f"{URI}@{digests[2]}" == live.id
    assert is_pushed(live.id)
    assert () == live.notes


def test_one_of_several_tags_is_enough(account: Account) -> None:
    aws = account.aws()
    repository, image = registry(aws)
    apply(plan([repository]), quietly)
    digest = push(aws, "latest", "service-1")
    live = image.find()
    assert live is not None
    assert live.id.endswith(digest)


def test_an_archived_image_does_not_count(account: Account) -> None:
    aws = account.aws()
    apply(plan(registry(aws)), quietly)
    push(aws, "service-1")
    _, image = telling(account, lambda item: item.update(imageStatus="ARCHIVED"))
    live = image.find()
    assert live is not None
    assert not is_pushed(live.id)


def test_a_repository_costs_what_is_stored(account: Account) -> None:
    aws = account.aws()
    assert (("ecr GB", 2),) == Repository(aws, aws.prefix).prices
