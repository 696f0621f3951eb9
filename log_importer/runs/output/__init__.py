"""What a run tells: progress, summary, metrics, rejected lines, the account of a run."""
