"""Entry lines of value blocks: one statement in, one model object (or nothing and findings) out. No input or output."""
