"""What programs look up by a name, and what is no secret."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.clients import as_tags, from_tags, read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.references import FromFact, resolve


@dataclass(frozen=True, eq=False)
class Parameter(Resource):
    """A text that programs look up by a name such as "/sales-forecast/production/model-uri".

    With a `value` it is kept at that. With None it is made with `initial` and its value is then
    another's business: nothing is ever written over it.
    """

    purpose: str
    value: str | FromFact | None
    initial: str
    long: bool = False
    """Whether others may write 8 KB instead of 4, which costs."""

    kind = "parameter"
    fixed = frozenset({"type"})
    permissions = (
        Permission(
            ("ssm:GetParameter", "ssm:ListTagsForResource", "ssm:PutParameter",
             "ssm:AddTagsToResource", "ssm:DeleteParameter"),
            ("arn:{partition}:ssm:{region}:{account}:parameter{name}",),
        ),
        Permission(("ssm:DescribeParameters",)),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return self.aws.arn("ssm", f"parameter{self.name}")

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """Nothing, unless it is long."""
        return (("long parameter", 1),) if self.long else ()

    def desired(self, ids: Ids) -> Settings:
        """Its text, if that is ours; a description cannot be written without one."""
        if self.value is None:
            return {"type": "String"}
        return {"type": "String", "purpose": self.purpose, "value": resolve(self.value, ids)}

    def find(self) -> Live | None:
        """Find it by its name."""
        ssm = self.aws.client("ssm")
        answer = read(ssm.get_parameter, Name=self.name)
        if answer is None:
            return None
        tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=self.name)
        described = self.aws.pages(
            "ssm", "describe_parameters", "Parameters",
            ParameterFilters=[{"Key": "Name", "Values": [self.name]}],
        )  # fmt: skip
        found = answer["Parameter"]
        settings = {"type": found["Type"]}
        if self.value is not None:
            # The listing may show a new one some moments later.
            purpose = described[0].get("Description", "") if described else self.purpose
            settings |= {"purpose": purpose, "value": found["Value"]}
        return Live(
            found["ARN"], settings, from_tags(tags["TagList"]), facts={"value": found["Value"]}
        )

    def create(self, desired: Settings) -> None:
        """Make it; AWS takes tags only now."""
        self.aws.client("ssm").put_parameter(
            Name=self.name,
            Description=self.purpose,
            Type=desired["type"],
            Value=desired.get("value", self.initial),
            Tags=as_tags(self.aws.tags),
            Tier="Advanced" if self.long else "Standard",
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write its text and description."""
        self.aws.client("ssm").put_parameter(
            Name=self.name,
            Description=desired["purpose"],
            Value=desired["value"],
            Overwrite=True,
        )

    def delete(self, live: Live) -> None:
        """Delete it."""
        remove(self.aws.client("ssm").delete_parameter, Name=self.name)
