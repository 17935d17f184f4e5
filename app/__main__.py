"""``python -m app`` is the operator's command line, like the installed ``latchkey``."""

from app import NAME
from app.cli import command_line
from app.features import FEATURES

cli = command_line(FEATURES)


def main() -> None:
    """Run the command line."""
    cli(prog_name=NAME)


if __name__ == "__main__":
    main()
