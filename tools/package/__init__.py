"""Assembles what is released, under build/."""
