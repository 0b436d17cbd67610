"""What the framework alone costs: plain FastAPI validates the same body and sends it back.

uvicorn --factory benchmarks.echo_service:create
"""

from __future__ import annotations

from fastapi import FastAPI

from benchmarks.store_week import StoreWeek


def create() -> FastAPI:
    app = FastAPI()

    @app.post("/predict_sales")
    async def predict_sales(request: StoreWeek) -> StoreWeek:
        return request

    return app
