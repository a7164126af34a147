"""Cross-field rules: what is checked and completed after reading, in keepalived's order, as named functions."""
