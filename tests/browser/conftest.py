"""What the tests with a browser ask for by name."""

from tests.support.browsers import browser, chromium, context, docs, live, live_database_url, page

__all__ = ["browser", "chromium", "context", "docs", "live", "live_database_url", "page"]
