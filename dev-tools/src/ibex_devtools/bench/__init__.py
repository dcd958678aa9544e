"""Measures the service next to what the database alone can do, and next to what one would otherwise take.

`make bench` runs all of it; docs/PERFORMANCE.md says what each figure means and holds the latest.
"""
