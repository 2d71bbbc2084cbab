"""The story of a clip: from a run's records to one page and pictures."""
