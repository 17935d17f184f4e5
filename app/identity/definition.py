"""How a user or a client is defined: once, as a pydantic model whose rules are types.

Records, patches and transferred forms are subclasses of the definition, so that a field which is
added to it is in all of them.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import InitErrorDetails, PydanticCustomError

from app.errors import BROKEN_RULE, InvalidError, InvalidFieldsError

Model = TypeVar("Model", bound=BaseModel)
Value = TypeVar("Value")

Changes = Mapping[str, Any]
"""New values by the name of their field; what is not named stays as it is."""

STRICT = ConfigDict(extra="forbid")


def rule(check: Callable[[Value], None]) -> AfterValidator:
    """A type's rule, from a function that raises :class:`InvalidError`."""

    def validate(value: Value) -> Value:
        try:
            check(value)
        except InvalidError as refusal:
            raise _told(refusal.told) from None
        return value

    return AfterValidator(validate)


def broken(field: str, sentence: str) -> InitErrorDetails:
    """What a validator of a whole model reports of one of its fields."""
    return InitErrorDetails(type=_told(sentence), loc=(field,), input=None)


def _told(sentence: str) -> PydanticCustomError:
    """Pydantic makes a plain string of what it is told, so a page finds the message beside it."""
    return PydanticCustomError(BROKEN_RULE, "{told}", {"told": sentence})


def validated(model: type[Model], values: Mapping[str, Any]) -> Model:
    """``values`` as a ``model``. Raises :class:`InvalidFieldsError`."""
    try:
        return model.model_validate(values)
    except ValidationError as invalid:
        raise InvalidFieldsError(invalid.errors(include_input=False, include_url=False)) from None


def partial(model: type[Model]) -> type[Model]:
    """``model`` with every field optional, and None unless it is given."""
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        parts = field.asdict()
        value: Any = parts["annotation"]
        for each in parts["metadata"]:
            value = Annotated[value, each]
        attributes = {k: v for k, v in parts["attributes"].items() if k != "default_factory"}
        fields[name] = (value | None, Field(**{**attributes, "default": None}))
    return create_model(
        model.__name__, __base__=model, __module__=model.__module__, __doc__=model.__doc__, **fields
    )


def changes_of(patch: BaseModel) -> Changes:
    """What a patch, which :func:`partial` has made, says.

    Null takes a value away where the definition has none by default; elsewhere it says nothing.
    """
    definition = cast(type[BaseModel], type(patch).__base__).model_fields
    given = patch.model_dump(exclude_unset=True)
    return {
        name: value
        for name, value in given.items()
        if value is not None or definition[name].default is None
    }
