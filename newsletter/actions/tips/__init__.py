"""Use cases for tips: the library (tips.py), its imports and exports, linting, and the votes of subscribers."""
