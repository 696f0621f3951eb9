"""Makes sample_logs/ again: known traffic, sent to real web servers that write real log lines about it."""
