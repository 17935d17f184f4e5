"""What ``latchkey apply`` needs to know of each kind of thing that a file declares.

The kinds of features are in ``latchkey export`` and ``latchkey import``, too.

A new kind is a subclass of :class:`Kind`: one of the core is listed in
``app/features/apply/service.py``, one of a feature in its :class:`~app.feature.Feature`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from app.management.authority import Actor

Declared = TypeVar("Declared", bound=BaseModel)

Record = Mapping[str, Any]
"""The values of a thing by the names that they have in the document. No secret is among them."""


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
