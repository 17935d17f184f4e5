"""``python -m app`` is the operator's command line, like the installed ``latchkey``."""

from app.cli import main

if __name__ == "__main__":
    main()
