"""What goes in and out of the items API."""

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# PostgreSQL stores no NUL in a text.
Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00]*$"),
]
Description = Annotated[str, StringConstraints(max_length=5000, pattern=r"^[^\x00]*$")]


class NewItem(BaseModel):
    """An item to add."""

    model_config = ConfigDict(extra="forbid")

    title: Title = Field(examples=["Buy tea"])
    description: Description | None = None


class ItemChanges(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    title: Title = Field(default_factory=str, examples=["Buy more tea"])
    description: Description | None = None


class ItemOut(BaseModel):
    """An item."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    title: str
    description: str | None
    created_at: datetime


class ItemPage(BaseModel):
    """Some of the items, and where the next ones begin."""

    items: list[ItemOut]
    next_cursor: uuid.UUID | None = Field(description="Send it as `cursor`; null at the end.")
