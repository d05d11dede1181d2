"""What Watchword costs: instructions, sizes and speeds (`make cost`)."""
