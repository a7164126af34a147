"""Tests of config/values.py, entries/, scripts.py, environment.py: words, lines, scripts, the machine."""
