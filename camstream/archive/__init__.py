"""Archives: what was seen in many videos, as tables that answer questions; see docs/manual/archive.md."""
