"""One run of a command, from its settings to its exit code."""
