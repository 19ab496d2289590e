"""What people do with rules: check, test, cover, explain, replay, backtest."""
