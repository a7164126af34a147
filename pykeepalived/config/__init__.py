"""From text to model, with a position on every value: source, grammar, schema, build, rules, findings."""
