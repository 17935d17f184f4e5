"""From the login page to where a feature lets somebody back in, who is disabled for now.

They have typed the right password, in this browser and for the account as it is: the page that
they are led to gets a proof of that.
"""

from fastapi import Response

from app.features.authorization_code.browser import Browser
from app.identity.users import Account
from app.pages.rendering import redirect


async def lead_back(browser: Browser, account: Account) -> Response | None:
    """Lead the user to the page that a feature has for them, if one has."""
    server = browser.server
    async with server.database.read() as connection:
        path = await server.find_way_back(connection, account.id)
    if path is None:
        return None
    proof = server.form_tokens.issue(browser.key, _purpose(account))
    parameters = {"user": str(account.id), "proof": proof}
    return redirect(f"{server.settings.issuer}/{path}", parameters)


def was_led_back(browser: Browser, account: Account, proof: str) -> bool:
    """Whether the password of ``account`` as it is now was typed in this browser."""
    return browser.server.form_tokens.check(proof, browser.key, _purpose(account))


def _purpose(account: Account) -> str:
    return f"way back {account.id} {account.security_stamp}"
