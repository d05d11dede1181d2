"""The side-by-side accuracy benchmark (tools/accuracy/benchmark.py)."""
