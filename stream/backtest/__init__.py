"""Backtest: would these alerts have been right?  A log replayed, and scored by what came after."""
