"""What the tests of files that are applied ask for by name."""

from tests.support.shell import no_dotenv_file, shell

__all__ = ["no_dotenv_file", "shell"]
