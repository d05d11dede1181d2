"""The side-by-side accuracy benchmark (tools/bench_accuracy.py)."""
