"""Pure functions on maps and scores."""
