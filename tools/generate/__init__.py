"""Writes what follows from the code: the C side of spec.py, and pages of docs."""
