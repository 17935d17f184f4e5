"""The pages that links in mails lead to."""

from app.features.mail.proofs import Proof
from app.pages.browser import Browser
from app.pages.errors import PageError

TOO_MANY = "Too many links were asked for from where you are. Wait a while, then try again."


def require_proof(browser: Browser, proof: Proof | None, no_longer_good: PageError) -> Proof:
    """A proof that is good, in the browser of nobody else. Raises :class:`PageError`."""
    if proof is None:
        raise no_longer_good
    session = browser.session
    if session is not None and session.user_id != proof.user_id:
        raise PageError(
            "This link is for another account",
            f"You are logged in as {session.username}. Log out, then open the link again.",
            onward=("Log out", "logout"),
        )
    return proof
