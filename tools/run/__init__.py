"""Whole runs of the product: the demo, a real board in an emulator of its chip."""
