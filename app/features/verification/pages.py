"""``/verify-email``: where the link in the mail leads. GET only shows; POST verifies."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import ConflictError
from app.features.authorization_code.browser import CurrentBrowser
from app.features.mail.links import require_proof
from app.features.mail.proofs import Proof, find_proof, use_token
from app.features.verification.service import PURPOSE, verify_email
from app.message import Message
from app.pages.errors import PageError, PageRoute
from app.pages.rendering import render
from app.web.dependencies import CurrentServer
from app.web.origin import origin_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

FORM = "verify-email"

ACCOUNT = (Message("Go to your account"), "account")


def _no_longer_good() -> PageError:
    return PageError(
        Message("This link is no longer valid"),
        Message(
            "A link is good for one day and can be used once; a newer mail replaces it. Have "
            "another one sent at your account page."
        ),
        onward=ACCOUNT,
    )


@router.head("/verify-email")
@router.get("/verify-email")
async def show_link(
    server: CurrentServer, browser: CurrentBrowser, token: Annotated[str, Query()] = ""
) -> Response:
    """Ask whether the address is to be confirmed: a program that scans mail comes no further."""
    async with server.database.read() as connection:
        proof = await find_proof(connection, PURPOSE, token, server.clock.now())
    page = render(
        "verification/verify.html",
        server.settings.look,
        form_token=browser.form_token(FORM),
        token=token,
        proof=require_proof(browser, proof, _no_longer_good()),
        verified=False,
    )
    return browser.remember(page)


@router.post("/verify-email")
async def follow_link(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Verify the address."""
    form = await browser.read_form()
    browser.require_shown(form, FORM)
    token = form.get("token", "")

    async def verify(connection: AsyncConnection) -> Proof:
        now = server.clock.now()
        used = await use_token(connection, PURPOSE, token, now)
        proof = require_proof(browser, used, _no_longer_good())
        await verify_email(connection, proof, origin_of(browser.request), now, by="link")
        return proof

    try:
        proof = await server.database.transact(verify)
    except ConflictError:
        raise PageError(
            Message("Another account has this address"),
            Message(
                "An e-mail address can belong to one account. Log in to the other account, or use "
                "another address for this one."
            ),
            onward=ACCOUNT,
        ) from None
    return render("verification/verify.html", server.settings.look, proof=proof, verified=True)
