"""What the tests of exports and imports ask for by name."""

from tests.support.shell import no_dotenv_file, shell

__all__ = ["no_dotenv_file", "shell"]
