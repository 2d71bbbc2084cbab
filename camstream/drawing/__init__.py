"""Draws predictions into pictures."""
