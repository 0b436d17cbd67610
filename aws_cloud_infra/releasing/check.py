"""The deployed service, asked as its callers ask it: over HTTP, with its API key.

Takes the account at hand and an address, gives the answers of `client.py`. Must not show the key.
"""

from __future__ import annotations

import client
from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.releasing.gate import Refused
from aws_cloud_infra.releasing.registry import Registry
from aws_cloud_infra.resources.front.load_balancer import LoadBalancer
from aws_cloud_infra.stacks import both

ATTEMPTS = 30
"""A minute and a half: a load balancer takes a while to let a new task in."""


def check(aws: Aws, url: str | None, attempts: int) -> None:
    """Ask the deployed service the two examples, with its API key, which is shown to nobody.

    Raises Refused where it does not answer them. Only the first release of an account may lack a
    model: until one is deployed, none can be trained.
    """
    stack = both(aws)[0]
    balancers = [item for item in stack.own if isinstance(item, LoadBalancer)]
    outputs = stack.outputs({item: live for item in balancers if (live := item.find())})
    url = url or outputs["service_url"]
    if not url:
        raise Refused("There is no load balancer yet. Run `infra.py apply` first.")
    if url == outputs["service_url"] and aws.settings.certificate_arn:
        raise Refused(
            f"The certificate is not for {url}: give --url, or the variable SERVICE_URL in the "
            "pipeline, with the name that it is for."
        )
    secret = aws.client("secretsmanager").get_secret_value(SecretId=outputs["api_key_secret"])
    key = str(secret["SecretString"])
    try:
        with client.SalesForecastClient(url, key, attempts=attempts) as asked:
            ready = asked.ready()
    except client.ClientError as error:
        if error.code == "not_ready" and len(Registry(aws).released("serve-")) == 1:
            print(f"{url} runs, and waits for its first model: {error.message}")
            print("Load sales and train one: `infra.py load FILE`, `infra.py train`.")
            return
        raise Refused(f"{url} does not answer as it should: {error.message}") from error
    print(f"{url} serves model {ready['model_version']}.")
    if client.main(["--url", url, "--api-key", key]):
        raise Refused(f"{url} is ready, but refuses the examples of client.py: see above.")
