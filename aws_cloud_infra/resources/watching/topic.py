"""Who hears of alarms and events. Must not let anything but these two publish."""

from __future__ import annotations

import json
from dataclasses import dataclass

from aws_cloud_infra.account.clients import as_tags, from_tags, read, remove
from aws_cloud_infra.account.documents import allow, canonical, policy
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings

_NOT_CONFIRMED = "PendingConfirmation"
_TOPIC = "arn:{partition}:sns:{region}:{account}:{name}"


@dataclass(frozen=True, eq=False)
class Topic(Resource):
    """Where alarms go, and the address that gets them as mail."""

    email: str | None

    kind = "alarm topic"
    permissions = (
        Permission(
            ("sns:GetTopicAttributes", "sns:ListTagsForResource", "sns:ListSubscriptionsByTopic",
             "sns:CreateTopic", "sns:TagResource", "sns:SetTopicAttributes", "sns:Subscribe",
             "sns:DeleteTopic"),
            (_TOPIC,),
        ),
        Permission(("sns:Unsubscribe",)),  # AWS lets no resource be named here
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return self.aws.arn("sns", self.name)

    def desired(self, ids: Ids) -> Settings:
        """Who may publish, and who is told.

        Not encrypted with the key that SNS has by default: CloudWatch may not use that one, so
        every alarm would be lost without a word. There is nothing secret in an alarm.
        """
        alarms = {
            "StringEquals": {"aws:SourceAccount": self.aws.account},
            "ArnLike": {"aws:SourceArn": self.aws.arn("cloudwatch", "alarm:*")},
        }
        return {
            "display_name": self.name,
            "encryption_key": "",
            "policy": policy(
                {
                    **allow("sns:Publish", self.arn, Sid="AlarmsOfThisAccount", Condition=alarms),
                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                },
                {
                    # EventBridge tells a topic no source, so a condition would silence it. Only
                    # who knows this ARN could have it told something, by an event of their own.
                    **allow("sns:Publish", self.arn, Sid="Events"),
                    "Principal": {"Service": "events.amazonaws.com"},
                },
                {
                    "Sid": "NothingUnencrypted",
                    "Effect": "Deny",
                    "Principal": {"AWS": "*"},
                    "Action": "sns:Publish",
                    "Resource": self.arn,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
            ),
            "subscribers": [self.email] if self.email else [],
        }

    def find(self) -> Live | None:
        """Find it by its name."""
        sns = self.aws.client("sns")
        topic = read(sns.get_topic_attributes, TopicArn=self.arn)
        tags = read(sns.list_tags_for_resource, ResourceArn=self.arn)
        if topic is None or tags is None:
            return None
        attributes = topic["Attributes"]
        by_mail = self._by_mail()
        waiting = [mail for mail, arn in by_mail.items() if arn == _NOT_CONFIRMED]
        return Live(
            self.arn,
            {
                "display_name": attributes.get("DisplayName", ""),
                "encryption_key": attributes.get("KmsMasterKeyId", ""),
                "policy": canonical(attributes["Policy"]),
                # Nobody can take back an invitation, so one to somebody else is not counted: it
                # lapses by itself.
                "subscribers": sorted(
                    mail for mail in by_mail if mail == self.email or mail not in waiting
                ),
            },
            from_tags(tags["Tags"]),
            notes=tuple(f"waits for {mail} to confirm the subscription" for mail in waiting),
        )

    def _by_mail(self) -> dict[str, str]:
        """Return the mail addresses and the ARNs of their subscriptions, or that none is yet."""
        found = self.aws.pages(
            "sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=self.arn
        )
        return {
            item["Endpoint"]: item["SubscriptionArn"]
            for item in found
            if item["Protocol"] == "email" and item["SubscriptionArn"] != "Deleted"
        }

    def create(self, desired: Settings) -> None:
        """Make it; nobody is told of anything yet."""
        self.aws.client("sns").create_topic(
            Name=self.name,
            Attributes={
                "DisplayName": desired["display_name"],
                "Policy": json.dumps(desired["policy"]),
            },
            Tags=as_tags(self.aws.tags),
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write attributes, invite who is missing, and unsubscribe who is too many."""
        sns = self.aws.client("sns")
        attributes = {
            "display_name": ("DisplayName", desired["display_name"]),
            "encryption_key": ("KmsMasterKeyId", desired["encryption_key"]),
            "policy": ("Policy", json.dumps(desired["policy"])),
        }
        for setting in sorted(changed & attributes.keys()):
            name, value = attributes[setting]
            sns.set_topic_attributes(TopicArn=self.arn, AttributeName=name, AttributeValue=value)
        if "subscribers" in changed:
            by_mail = self._by_mail()
            for mail in desired["subscribers"]:
                if mail not in by_mail:
                    sns.subscribe(TopicArn=self.arn, Protocol="email", Endpoint=mail)
            for mail, arn in by_mail.items():
                if mail not in desired["subscribers"] and arn != _NOT_CONFIRMED:
                    remove(sns.unsubscribe, SubscriptionArn=arn)

    def delete(self, live: Live) -> None:
        """Delete it with its subscriptions."""
        remove(self.aws.client("sns").delete_topic, TopicArn=self.arn)
