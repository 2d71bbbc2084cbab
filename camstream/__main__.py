"""``python -m camstream``."""

from camstream.commands import main

if __name__ == "__main__":
    main()
