"""The one way to a forecast, and what must be said of it."""
