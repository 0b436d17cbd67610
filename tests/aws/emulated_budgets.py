"""What the emulator lacks of AWS Budgets: who is told, and tags. To be imported by its process.

And what it does in vain, not done: at each request it looks through its 200 folders for the names
of its services, through the addresses of all and through all that a service can answer, and writes
a line that nobody reads; for each service it looks anew through the 400 that botocore has, and at
each error through all of its service's.
"""

from __future__ import annotations

import functools
import json
import logging

from moto import backends
from moto.budgets.responses import BudgetsResponse
from moto.core import errors, responses, utils
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

from tests.aws import emulated_deliveries, emulated_jobs  # noqa: F401

_loader = utils.create_loader()
utils.create_loader = lambda: _loader
_services = frozenset(backends.list_of_moto_modules())
backends.list_of_moto_modules = lambda: _services
responses.method_names_from_class = functools.cache(responses.method_names_from_class)
errors.ErrorLookupFactory = functools.cache(errors.ErrorLookupFactory)
DomainDispatcherApplication.get_backend_for_host = functools.cache(
    DomainDispatcherApplication.get_backend_for_host
)
logging.getLogger("werkzeug").setLevel(logging.ERROR)

_create_budget = BudgetsResponse.create_budget


def create_budget(self: BudgetsResponse) -> str:
    done = _create_budget(self)
    budget = self._get_param("Budget")["BudgetName"]
    made = self.backend.budgets[self.current_account][budget]
    made.tags = self._get_param("ResourceTags", [])
    return done


def list_tags_for_resource(self: BudgetsResponse) -> str:
    name = self._get_param("ResourceARN").split(":budget/")[1]
    self.backend.describe_budget(self.current_account, name)
    return json.dumps({"ResourceTags": self.backend.budgets[self.current_account][name].tags})


def describe_subscribers_for_notification(self: BudgetsResponse) -> str:
    budget = self.backend.budgets[self.current_account][self._get_param("BudgetName")]
    wanted = self._get_param("Notification")
    return json.dumps({
        "Subscribers": next(
            (item.subscribers for item in budget.notifications if item.details == wanted), []
        )
    })  # fmt: skip


BudgetsResponse.create_budget = create_budget
BudgetsResponse.list_tags_for_resource = list_tags_for_resource
BudgetsResponse.describe_subscribers_for_notification = describe_subscribers_for_notification
