"""The body that both services of comparison take: one store, one week and its conditions."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from sales_forecast.service.days import Day


class StoreWeek(BaseModel):
    """As strict as the forms of the service."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    store: int = Field(alias="Store", ge=-(2**31), lt=2**31)
    day: Day = Field(alias="Date")
    holiday_flag: int = Field(alias="Holiday_Flag", ge=0, le=1)
    temperature: float = Field(alias="Temperature")
    fuel_price: float = Field(alias="Fuel_Price")
    cpi: float = Field(alias="CPI")
    unemployment: float = Field(alias="Unemployment")

    @property
    def conditions(self) -> tuple[float, float, float, float, float]:
        """In the order of `panel.CONDITIONS`."""
        return (
            self.holiday_flag,
            self.temperature,
            self.fuel_price,
            self.cpi,
            self.unemployment,
        )
