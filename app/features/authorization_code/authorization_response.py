"""How the answer to an authorization request gets to its client: RFC 6749, section 4.1.2.

In the query of a redirect, in its fragment, or in a form that the browser posts (OAuth 2.0 Multiple
Response Type Encoding Practices; OAuth 2.0 Form Post Response Mode).
"""

from collections.abc import Mapping

from fastapi import Response

from app.features.authorization_code.redirect_uris import form_targets
from app.pages.rendering import redirect, render
from app.server import Server


def answer(
    server: Server,
    redirect_uri: str,
    response_mode: str,
    parameters: Mapping[str, str],
    state: str | None,
) -> Response:
    """The authorization response (RFC 6749, section 4.1.2) with ``iss`` (RFC 9207)."""
    parameters = {**parameters, "iss": server.settings.issuer}
    if state is not None:
        parameters["state"] = state
    if response_mode == "query":
        return redirect(redirect_uri, parameters)
    if response_mode == "fragment":
        return redirect(redirect_uri, parameters, in_fragment=True)
    return render(
        "form_post.html",
        server.settings.look,
        popup=True,
        form_targets=form_targets(redirect_uri),
        redirect_uri=redirect_uri,
        parameters=parameters,
    )
