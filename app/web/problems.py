"""How the errors of the JSON API are described in OpenAPI (RFC 9457)."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field


class ProblemResponse(BaseModel):
    """RFC 9457, section 3."""

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    detail: str


class FieldError(BaseModel):
    """A field of the request that breaks a rule, and the rule; never the value."""

    field: str = Field(examples=["body.title"])
    reason: str


class ValidationProblemResponse(ProblemResponse):
    """With the fields that are at fault, if the form of the request is."""

    errors: list[FieldError] | None = None


def problem(
    description: str, model: type[BaseModel] = ProblemResponse, *, headers: Sequence[str] = ()
) -> dict[str, Any]:
    """One entry for a route's ``responses``."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {
        "description": description,
        "model": model,
        "content": {"application/problem+json": {"schema": schema}},
        "headers": {name: {"schema": {"type": "string"}} for name in headers},
    }


def without_json_twins(document: dict[str, Any]) -> None:
    """Take out of an OpenAPI ``document`` the JSON that FastAPI adds to every :func:`problem`."""
    for path in document["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                content = response.get("content", {})
                if content.get("application/json") == content.get("application/problem+json"):
                    content.pop("application/json", None)


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    500: problem("An unexpected error."),
    503: problem("The database is not responding.", headers=["Retry-After"]),
}
"""What every route of the JSON API can answer."""

TOO_MANY_ATTEMPTS: dict[int | str, dict[str, Any]] = {
    429: problem("Too many failed attempts.", headers=["Retry-After"]),
}
"""What every route that checks a password can answer as well."""

_BODY_RESPONSES: dict[int | str, dict[str, Any]] = {
    413: problem("The body is too large."),
    422: problem("A field is invalid.", ValidationProblemResponse),
}

_UNREADABLE = {"application/problem+json": {"schema": {"type": "object"}}}


def with_body(responses: dict[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """``responses``, and what every route that reads a body or parameters can answer as well.

    A body that is not JSON is 400, like the other causes of 400.
    """
    described = responses.get(400, {"description": "The body cannot be read."})
    content = {**_UNREADABLE, **described.get("content", {})}
    return {**responses, **_BODY_RESPONSES, 400: {**described, "content": content}}
