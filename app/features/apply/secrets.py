"""Secrets that a document only refers to."""

import os
from pathlib import Path

from pydantic import BaseModel, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from app import NAME
from app.errors import BROKEN_RULE, InvalidError
from app.identity.definition import STRICT
from app.settings.single_line import NotOneLineError, single_line

FOLDER = "folder"
"""Where the document is: the context of its validation."""

OPEN_SECRETS = "open secrets"
"""Whether a secret may be in the document: likewise."""


class SecretReference(BaseModel):
    """Where a secret is, for a document that holds none: a variable, or a file beside it.

    One of ``latchkey dev``, which has nothing to hide, may hold its secrets as ``text``.
    """

    model_config = STRICT

    env: str | None = None
    file: Path | None = None
    text: SecretStr | None = None

    @field_validator("text")
    @classmethod
    def _nothing_to_hide(cls, text: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if text is not None and not (info.context or {}).get(OPEN_SECRETS):
            raise PydanticCustomError(
                BROKEN_RULE, f"a secret in the file itself is for `{NAME} dev` alone"
            )
        return text

    @field_validator("file")
    @classmethod
    def _beside_the_document(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        return None if file is None else (info.context or {}).get(FOLDER, Path()) / file

    @model_validator(mode="before")
    @classmethod
    def _one_of_them(cls, values: object) -> object:
        if not isinstance(values, dict) or len(values) != 1:
            raise PydanticCustomError(BROKEN_RULE, "a secret is {env: NAME} or {file: PATH}")
        return values

    def read(self) -> str:
        """The secret, which is one line. Raises :class:`InvalidError`."""
        if self.text is not None:
            return self.text.get_secret_value()
        if self.file is not None:
            try:
                return single_line(self.file.read_text())
            except NotOneLineError as error:
                raise InvalidError(told=f"the secret in {self.file}: {error}") from None
            except (OSError, UnicodeDecodeError):
                raise InvalidError(told=f"the secret in {self.file} cannot be read") from None
        secret = os.environ.get(self.env or "")
        if secret is None:
            raise InvalidError(told=f"the environment variable {self.env} is not set")
        try:
            return single_line(secret)
        except NotOneLineError as error:
            raise InvalidError(told=f"the environment variable {self.env}: {error}") from None
