"""The pages that links in mails lead to."""

from app.features.authorization_code.browser import Browser
from app.features.mail.proofs import Proof
from app.message import Message
from app.pages.errors import PageError

TOO_MANY = Message(
    "Too many links were asked for from where you are. Wait a while, then try again."
)


def require_proof(browser: Browser, proof: Proof | None, no_longer_good: PageError) -> Proof:
    """A proof that is good, in the browser of nobody else. Raises :class:`PageError`."""
    if proof is None:
        raise no_longer_good
    session = browser.session
    if session is not None and session.user_id != proof.user_id:
        raise PageError(
            Message("This link is for another account"),
            Message(
                "You are logged in as {username}. Log out, then open the link again.",
                username=session.username,
            ),
            onward=(Message("Log out"), "logout"),
        )
    return proof
