"""Models: which there are, what runs them, what their classes are called."""
