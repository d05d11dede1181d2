"""Measurements that take hours: ablations, architectures, endurance."""
