"""The body of a protocol request: RFC 6749, section 3.2 and appendix B."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from starlette.requests import Request

from app.errors import InvalidRequestError

MAX_FIELDS = 50

MAX_VALUE_LENGTH = 8192
"""Characters of one parameter: twice the longest token that is read."""

FORM = "application/x-www-form-urlencoded"

MAY_REPEAT = "resource"
"""The one parameter that may come several times (RFC 8707, section 2). It is a URI."""

BELONG_IN_THE_BODY = frozenset(
    {"client_secret", "username", "password", "refresh_token", "code", "token"}
)


async def read_form(request: Request) -> Mapping[str, str]:
    """The parameters of the request, each once; one with an empty value counts as left out.

    What may come several times is one parameter, with its values separated by spaces.

    Raises :class:`InvalidRequestError` for another content type, text that is not UTF-8, a NUL,
    a repeated parameter, too many of them or too long ones, and for credentials in the address.
    """
    in_address = request.scope["query_string"]
    if in_address and not BELONG_IN_THE_BODY.isdisjoint(request.query_params):
        raise InvalidRequestError(told="Credentials must be sent in the body, not in the address.")
    pairs = joined(await read_pairs(request))
    form = dict(pairs)
    if len(form) != len(pairs):
        raise InvalidRequestError(told="A parameter is repeated.")
    if any("\x00" in name or "\x00" in value for name, value in pairs):
        raise InvalidRequestError(told="The body contains a NUL character.")
    if any(len(name) > MAX_VALUE_LENGTH or len(value) > MAX_VALUE_LENGTH for name, value in pairs):
        raise InvalidRequestError(told="A parameter is too long.")
    return {name: value for name, value in pairs if value}


def joined(pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """``pairs`` with the values of what may come several times in one, separated by spaces."""
    repeated = [value for name, value in pairs if name == MAY_REPEAT and value]
    if len(repeated) < 2:
        return pairs
    return [
        *(pair for pair in pairs if pair[0] != MAY_REPEAT),
        (MAY_REPEAT, " ".join(repeated)),
    ]


async def read_pairs(request: Request) -> Sequence[tuple[str, str]]:
    """The parameters of the body as they came. Raises :class:`InvalidRequestError`."""
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise InvalidRequestError(told=f"The body must be {FORM}.")
    return parse_pairs(await request.body())


def parse_pairs(encoded: bytes) -> Sequence[tuple[str, str]]:
    """The parameters of a body or a query, strictly. Raises :class:`InvalidRequestError`."""
    try:
        return parse_qsl(
            encoded.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except UnicodeDecodeError:
        raise InvalidRequestError(told="The body must be UTF-8.") from None
    except ValueError:
        raise InvalidRequestError(told="The body has too many parameters.") from None
