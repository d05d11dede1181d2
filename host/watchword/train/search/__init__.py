"""Hyper-parameter search: trials of a training run, compared by their misses at the false-alarm target."""
