"""``python -m app`` is the operator's command line, like the installed ``latchkey``."""

from app import NAME
from app.cli import command_line
from app.features import FOLDERS, load_feature

cli = command_line(FOLDERS, load_feature)


def main() -> None:
    """Run the command line."""
    cli(prog_name=NAME)


if __name__ == "__main__":
    main()
