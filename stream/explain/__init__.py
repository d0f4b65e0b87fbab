"""Explain: the arithmetic of one alert, or of one customer now, as it can be done again by hand."""
