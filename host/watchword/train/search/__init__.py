"""Hyper-parameter search: trials of a training run, each judged by its misses at the false-alarm target."""
