"""What ``latchkey apply`` needs to know of each kind of thing that a file declares.

The kinds of features are in ``latchkey export`` and ``latchkey import``, too.

A new kind is a subclass of :class:`Kind`: one of the core is listed in
``app/features/apply/service.py``, one of a feature in its :class:`~app.feature.Feature`.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.ext.asyncio import AsyncConnection

from app import NAME
from app.errors import BROKEN_RULE, InvalidError
from app.identity.definition import STRICT
from app.management.authority import Actor
from app.settings.single_line import NotOneLineError, single_line

Declared = TypeVar("Declared", bound=BaseModel)

Record = Mapping[str, Any]
"""The values of a thing by the names that they have in the document. No secret is among them."""

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


class Kind(ABC, Generic[Declared]):
    """One kind of thing that a file declares."""

    section: ClassVar[str]
    """What the document calls them, such as ``clients``."""
    noun: ClassVar[str]
    """What people call one."""
    key: ClassVar[str]
    """The field by which one is found."""
    model: type[Declared]
    """What the document says of one."""

    def same(self, name: str) -> str:
        """A form of ``name`` that is the same for all that name the same thing."""
        return name

    async def prepare(self, connection: AsyncConnection, declared: Declared) -> None:
        """Do what takes long, before anything is locked. Raises a :class:`~app.errors.Problem`."""

    async def names(self, connection: AsyncConnection) -> Sequence[str]:
        """All that are there, for an export; of a kind with a form of its own there, none."""
        return ()

    @abstractmethod
    async def find(self, connection: AsyncConnection, name: str) -> Record | None:
        """What is there under that name."""

    @abstractmethod
    async def create(self, actor: Actor, declared: Declared) -> None:
        """Add what is not there. Raises a :class:`~app.errors.Problem`."""

    @abstractmethod
    async def change(self, actor: Actor, declared: Declared) -> None:
        """Bring what is there to what is declared, and touch nothing that is so already.

        Raises a :class:`~app.errors.Problem`.
        """

    @abstractmethod
    async def delete(self, actor: Actor, name: str) -> None:
        """Delete what is there. Raises a :class:`~app.errors.Problem`."""
