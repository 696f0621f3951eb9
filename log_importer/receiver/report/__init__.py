"""The report: what the receiver got, counted, and the page and the file that show it."""
