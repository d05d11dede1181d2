"""What a computer needs before Watchword runs: packages, recordings to train on."""
