"""What the framework alone costs: plain FastAPI validates the same bodies and sends them back.

ECHO_SPEC="$(jq .spec var/champion/manifest.json)" uvicorn --factory benchmarks.echo_service:create
"""

from __future__ import annotations

import os
from typing import Any

from fastapi import FastAPI

from sales_forecast.data.spec import PanelSpec
from sales_forecast.service.forms import forms_of


def create() -> FastAPI:
    forms = forms_of(PanelSpec.model_validate_json(os.environ["ECHO_SPEC"]))
    app = FastAPI()
    for path, form in (("/predict_sales", forms.predict), ("/forecast_sales", forms.forecast)):

        async def echo(request: Any) -> Any:
            return request

        echo.__annotations__ = {"request": form, "return": form}
        app.post(path)(echo)
    return app
