"""The side-by-side accuracy benchmark (benchmark.py), and Picovoice's published protocol (picovoice.py)."""
