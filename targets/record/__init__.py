"""Records: what a run produced, in memory and on disk."""
