"""Weekly sales forecasts that a small team owns: load, backtest, train, track, serve."""
