"""The page at ``/mailbox``: in development without a mail server, the mails that nobody gets."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse

from app.features.mail.queue import list_mails
from app.pages.errors import PageError, PageRoute
from app.pages.rendering import render
from app.web.dependencies import CurrentServer, Reading

router = APIRouter(route_class=PageRoute, include_in_schema=False)

SHOWN = 50
"""Mails on the page, the newest."""

AS_A_MAIL_PROGRAM = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'none'; sandbox allow-popups allow-top-navigation-by-user-activation"
)
"""Styles stand in the mail itself; nothing else is loaded, and nothing runs."""


@router.get("/mailbox")
async def mailbox(server: CurrentServer, reading: Reading) -> Response:
    """The newest mails, as text."""
    mails = await list_mails(reading, server.encryption, SHOWN)
    return render("mail/mailbox.html", server.settings.look, for_developers=True, mails=mails)


@router.get("/mailbox/{mail_id}")
async def show_mail(
    server: CurrentServer, reading: Reading, mail_id: Annotated[str, Path(max_length=36)]
) -> Response:
    """A mail as a mail program shows it."""
    for mail in await list_mails(reading, server.encryption, SHOWN):
        if str(mail.id) == mail_id:
            return HTMLResponse(mail.html, headers={"Content-Security-Policy": AS_A_MAIL_PROGRAM})
    raise PageError("This mail is no longer here", "Go back to the mailbox.", 404)
