"""Where it says how to get access tokens for this server: RFC 9728, section 3."""

from urllib.parse import urlsplit

WELL_KNOWN = "/.well-known/oauth-protected-resource"


def metadata_url(issuer: str) -> str:
    """The address of the document, which stands in each challenge (section 5.1).

    The well-known path comes between the host and the path of the issuer (section 3.1).
    """
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path}"
