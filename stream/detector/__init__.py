"""PURE: what slipping away means, as a function of events, ticks and models."""
