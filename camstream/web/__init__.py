"""A page in the browser on a live session: its server, who may look, what is sent to whom."""
