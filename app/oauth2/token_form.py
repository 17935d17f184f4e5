"""How ``POST /token`` and its form are described in OpenAPI."""

from collections.abc import Iterable
from typing import Any

from app.oauth2.grant import Grant
from app.oauth2.responses import TOKEN_RESPONSES, demo_hint, demo_username, fields
from app.settings import Settings
from app.web.form import FORM

PASSWORD_OF_THE_DEMO = "`alice` and `alice-in-wonderland`; leave the rest empty"


def describe_token_endpoint(settings: Settings, grants: Iterable[Grant]) -> dict[str, Any]:
    """What the route says of itself: the parameters are those of all its grants."""
    return {
        "operation_id": "token",
        "summary": "Get tokens",
        "responses": TOKEN_RESPONSES,
        "description": "Exchange a grant for an access token (RFC 6749, section 3.2).\n\n"
        "A client authenticates with HTTP Basic or in the body; a public one sends its "
        "`client_id`. The parameters depend on the `grant_type`."
        + demo_hint(settings, PASSWORD_OF_THE_DEMO),
        "openapi_extra": {
            "requestBody": request_body(
                grants, strict=settings.strict_password_form, username=demo_username(settings)
            )
        },
    }


def request_body(grants: Iterable[Grant], *, strict: bool, username: str) -> dict[str, Any]:
    """The form of ``grants`` as OpenAPI has it: the fields of all of them."""
    grants = list(grants)
    properties: dict[str, Any] = {}
    for grant in grants:
        properties |= grant.parameters
    properties["resource"] = {
        "type": "string",
        "description": "What the token is for: a URI (RFC 8707). May be repeated.",
    }
    properties["grant_type"] = {"type": "string", "enum": [grant.grant_type for grant in grants]}
    schema = {
        "type": "object",
        "properties": fields(properties, username),
        "required": ["grant_type"] if strict else [],
    }
    return {"required": True, "content": {FORM: {"schema": schema}}}
