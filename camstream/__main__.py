"""``python -m camstream``."""

from camstream.cli import main

main()
