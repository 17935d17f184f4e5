"""Write the pages of the site to the folder that the one argument names: ``make docs``."""

import sys
from pathlib import Path

from scripts.documents.pages import write_pages

write_pages(Path(sys.argv[1]))
