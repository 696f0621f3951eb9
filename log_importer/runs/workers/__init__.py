"""Worker processes, and what goes between them and the coordinator."""
