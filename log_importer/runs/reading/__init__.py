"""The sources of one machine's run: looked at, read in the order of time, or watched as they grow."""
