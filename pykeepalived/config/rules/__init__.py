"""Cross-field rules: what is checked and completed after reading, in keepalived's order; every rule is a named function."""
