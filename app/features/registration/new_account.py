"""What somebody fills in who makes an account."""

from pydantic import BaseModel, Field

from app.api.passwords import PasswordToSet
from app.identity.definition import STRICT
from app.identity.profile import Email, Name, Username


class NewAccount(BaseModel):
    """An account to make with a link."""

    model_config = STRICT

    token: str = Field(max_length=128, description="From the link.")
    username: Username = Field(examples=["ada"])
    name: Name | None = None
    email: Email | None = Field(
        default=None, description="Only where the link was not sent to an address."
    )
    password: PasswordToSet
