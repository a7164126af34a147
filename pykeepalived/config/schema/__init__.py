"""The one table of keywords: base.py is its machinery, types.py the argument types, root.py the whole."""
