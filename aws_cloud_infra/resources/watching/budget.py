"""What the account may cost a month before somebody is told. Takes dollars and a mail address.

It counts the whole account: AWS counts single tags only where a person has switched that on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import as_tags, from_tags, read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings

_TOLD = (("ACTUAL", 80.0), ("ACTUAL", 100.0), ("FORECASTED", 100.0))
"""What is compared with the budget, and from which percentage on."""


@dataclass(frozen=True, eq=False)
class Budget(Resource):
    """A monthly budget in US dollars, and who gets a mail when it is nearly used up."""

    dollars: int
    email: str

    kind = "budget"
    permissions = (
        Permission(
            ("budgets:ViewBudget", "budgets:ModifyBudget", "budgets:ListTagsForResource",
             "budgets:TagResource"),
            ("arn:{partition}:budgets::{account}:budget/{name}",),
        ),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return self.aws.arn("budgets", f"budget/{self.name}", region="")

    @property
    def _named(self) -> dict[str, str]:
        return {"AccountId": self.aws.account, "BudgetName": self.name}

    def desired(self, ids: Ids) -> Settings:
        """How much, and who is told when."""
        return {
            "dollars": float(self.dollars),
            "unit": "USD",
            "time": "MONTHLY",
            "type": "COST",
            "told": {f"{kind} {percent:g}": [self.email] for kind, percent in _TOLD},
        }

    def find(self) -> Live | None:
        """Find it by its name."""
        budgets = self.aws.client("budgets")
        answer = read(budgets.describe_budget, **self._named)
        told = answer and read(budgets.describe_notifications_for_budget, **self._named)
        tags = told and read(budgets.list_tags_for_resource, ResourceARN=self.arn)
        if not tags:
            return None
        budget = answer["Budget"]
        limit = budget.get("BudgetLimit", {})
        return Live(
            self.arn,
            {
                "dollars": float(limit.get("Amount", 0)),
                "unit": limit.get("Unit"),
                "time": budget["TimeUnit"],
                "type": budget["BudgetType"],
                "told": {
                    f"{item['NotificationType']} {item['Threshold']:g}": self._subscribers(item)
                    for item in told.get("Notifications", ())
                },
            },
            from_tags(tags.get("ResourceTags")),
        )

    def _subscribers(self, notification: Mapping[str, Any]) -> list[str]:
        answer = read(
            self.aws.client("budgets").describe_subscribers_for_notification,
            **self._named,
            Notification=notification,
        )
        return sorted(item["Address"] for item in (answer or {}).get("Subscribers", ()))

    def create(self, desired: Settings) -> None:
        """Make it whole."""
        self.aws.client("budgets").create_budget(
            AccountId=self.aws.account,
            Budget={
                "BudgetName": self.name,
                "BudgetLimit": {"Amount": str(desired["dollars"]), "Unit": desired["unit"]},
                "TimeUnit": desired["time"],
                "BudgetType": desired["type"],
            },
            NotificationsWithSubscribers=[
                {
                    "Notification": {
                        "NotificationType": kind,
                        "ComparisonOperator": "GREATER_THAN",
                        "Threshold": percent,
                        "ThresholdType": "PERCENTAGE",
                    },
                    "Subscribers": [
                        {"SubscriptionType": "EMAIL", "Address": address}
                        for address in desired["told"][f"{kind} {percent:g}"]
                    ],
                }
                for kind, percent in _TOLD
            ],
            ResourceTags=as_tags(self.aws.tags),
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Make it anew: it holds nothing, and AWS changes notifications one by one."""
        self.delete(live)
        self.create(desired)

    def delete(self, live: Live) -> None:
        """Delete it."""
        remove(self.aws.client("budgets").delete_budget, **self._named)
