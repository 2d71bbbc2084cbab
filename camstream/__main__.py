"""``python -m camstream``."""

from camstream.commands import main

main()
