"""Watchword: train a wake word, put it on an ESP32, and measure what it really does there."""

__version__ = "0.1.0"
