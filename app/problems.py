"""How the errors of the JSON API are described in OpenAPI (RFC 9457)."""

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
    """With the fields that are at fault."""

    errors: list[FieldError]


def problem(description: str, model: type[BaseModel] = ProblemResponse) -> dict[str, Any]:
    """One entry for a route's ``responses``."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {
        "description": description,
        "model": model,
        "content": {"application/problem+json": {"schema": schema}},
    }


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    500: problem("An unexpected fault."),
    503: problem("The database does not answer."),
}
"""What every route of the JSON API can answer."""

BODY_RESPONSES: dict[int | str, dict[str, Any]] = {
    413: problem("The body is too large."),
    422: problem("A field breaks a rule.", ValidationProblemResponse),
}
"""What every route that reads a body can answer."""
