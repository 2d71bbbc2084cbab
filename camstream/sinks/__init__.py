"""Where results go: video files, records, a window."""
