"""What people change of forecasts: overrides, the plan they make, and what came of them."""
