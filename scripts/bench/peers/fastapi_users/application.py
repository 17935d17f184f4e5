"""fastapi-users as its full example has it: SQLAlchemy on asyncpg, its own hasher, JWTs.

``POST /start`` is not measured: it hands out the tokens with which a measurement begins.
"""

import os
import secrets
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users.password import PasswordHelper
from sqlalchemy import make_url, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

SECRET = secrets.token_hex(32)


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


engine = create_async_engine(
    make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg")
)
new_session = async_sessionmaker(engine, expire_on_commit=False)


async def get_session() -> AsyncGenerator[AsyncSession]:
    async with new_session() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


async def get_user_db(session: Session) -> AsyncGenerator[SQLAlchemyUserDatabase]:
    yield SQLAlchemyUserDatabase(session, User)


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    reset_password_token_secret = SECRET
    verification_token_secret = SECRET


async def get_user_manager(
    user_db: Annotated[SQLAlchemyUserDatabase, Depends(get_user_db)],
) -> AsyncGenerator[UserManager]:
    yield UserManager(user_db)


def get_strategy() -> JWTStrategy:
    return JWTStrategy(secret=SECRET, lifetime_seconds=86400)


backend = AuthenticationBackend("jwt", BearerTransport("auth/jwt/login"), get_strategy)
fastapi_users = FastAPIUsers[User, uuid.UUID](get_user_manager, [backend])
CurrentUser = Annotated[User, Depends(fastapi_users.current_user(active=True))]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    hashed = PasswordHelper().hash(os.environ["BENCH_PASSWORD"])
    async with new_session() as session:
        for number in range(int(os.environ["BENCH_PEOPLE"])):
            session.add(User(email=f"person{number}@example.com", hashed_password=hashed))
        await session.commit()
    yield


app = FastAPI(
    lifespan=lifespan,
    openapi_url=None,
    telemetry={"tracing": False, "metrics": False, "logs": False},
)
app.include_router(fastapi_users.get_auth_router(backend), prefix="/auth/jwt")


@app.get("/users/me", response_model=schemas.BaseUser[uuid.UUID])
async def me(user: CurrentUser) -> User:
    return user


@app.post("/start")
async def start(session: Session) -> dict[str, list[str]]:
    users = await session.scalars(select(User))
    return {"access": [await get_strategy().write_token(user) for user in users]}
