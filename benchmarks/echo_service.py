"""What the framework alone costs: plain FastAPI validates the same body and sends it back.

uvicorn --factory benchmarks.echo_service:create
"""

from __future__ import annotations

from fastapi import FastAPI

from sales_forecast.service.schemas import PredictRequest


def create() -> FastAPI:
    app = FastAPI()

    @app.post("/predict_sales")
    async def predict_sales(request: PredictRequest) -> PredictRequest:
        return request

    return app
