"""Generated input: configurations, text, packets."""
