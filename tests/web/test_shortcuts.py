"""Routes that are found at once are those that would be found one after the other."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response, Security
from fastapi.exceptions import ResponseValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.security import SecurityScopes
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from app.web.dependencies import DirectDependency
from app.web.shortcuts import Shortcuts, add_shortcuts


def only(text: str) -> Response:
    return Response(text)


async def wanted() -> str:
    return "injected"


class Scopes(DirectDependency[list[str]]):
    """Gives a route the scopes that it wants."""

    async def __call__(self, security_scopes: SecurityScopes) -> list[str]:
        return security_scopes.scopes

    async def find(self, request: HTTPConnection, scopes: Sequence[str]) -> list[str]:
        return list(scopes)


scopes = Scopes()


class StricterScopes(Scopes):
    """Refuses, but only where FastAPI asks for it."""

    async def __call__(self, security_scopes: SecurityScopes) -> list[str]:
        raise HTTPException(403, "Only for others.")


stricter_scopes = StricterScopes()


class Gate(APIRoute):
    """Opens to nobody."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def refuse(_request: Request) -> Response:
            raise HTTPException(403, "Only from the office.")

        return refuse


class Custom(JSONResponse):
    media_type = "application/vnd.custom+json"


class Told(BaseModel):
    scopes: list[str]
    more: str | None = None


async def described(request: Request) -> Response:
    return only(f"{request.scope['route'].path} {request.path_params}")


@pytest.fixture(params=["with shortcuts", "without"])
def app(request: pytest.FixtureRequest) -> FastAPI:
    app = FastAPI()
    router = APIRouter(prefix="/first")

    @router.get("/{name}")
    async def by_name(name: str) -> str:
        return f"by name: {name}"

    @router.get("/fixed")
    async def never(request: Request) -> Response:
        return only("never")

    @router.post("/fixed")
    async def posted(request: Request) -> Response:
        return only((await request.body()).decode())

    app.include_router(router)
    app.get("/described")(described)

    @app.get("/injected")
    async def injected(found: Annotated[str, Depends(wanted)]) -> dict[str, str]:
        return {"found": found}

    @app.get("/direct", response_model_exclude_unset=True)
    async def direct(
        found: Annotated[list[str], Security(scopes, scopes=["read", "write"])],
        none: Annotated[list[str], Depends(scopes)],
        request: Request,
    ) -> Told:
        return Told(scopes=[*found, *none, request.url.path])

    @app.get("/stricter")
    async def strict(found: Annotated[list[str], Depends(stricter_scopes)]) -> Told:
        return Told(scopes=found)

    gated = APIRouter(route_class=Gate)
    gated.get("/gated")(described)
    app.include_router(gated)

    custom = APIRouter()

    @custom.get("/custom")
    async def answer_customarily(found: Annotated[list[str], Depends(scopes)]) -> Told:
        return Told(scopes=found)

    app.include_router(custom, default_response_class=Custom)

    async def annotate_for_type_checkers_alone(request: Request) -> Response:
        return only("annotated")

    annotate_for_type_checkers_alone.__annotations__["return"] = "ImportedForTypeCheckersAlone"
    app.get("/annotated", response_model=None)(annotate_for_type_checkers_alone)

    @app.post("/limited", max_body_size=3)
    async def limited(request: Request) -> Response:
        return only((await request.body()).decode())

    app.mount("/mounted", Response("the application that is mounted"))
    app.get("/mounted/fixed")(described)

    @app.get("/wrong")
    async def wrong(found: Annotated[list[str], Depends(scopes)]) -> Told:
        return found  # type: ignore[return-value]

    @app.get("/created", status_code=201)
    async def created(found: Annotated[list[str], Depends(scopes)]) -> Told:
        return Told(scopes=found)

    @app.get("/fails")
    async def fails(request: Request) -> Response:
        raise LookupError

    @app.exception_handler(LookupError)
    async def answer(_request: Request, _error: Exception) -> Response:
        return Response("handled", 418)

    if request.param == "with shortcuts":
        add_shortcuts(app)
        assert isinstance(app.router.middleware_stack, Shortcuts)
    return app


@pytest.fixture
def http(app: FastAPI) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/first/fixed", 200, '"by name: fixed"'),
        ("GET", "/first/other", 200, '"by name: other"'),
        ("POST", "/first/fixed", 200, "body"),
        ("GET", "/described", 200, "/described {}"),
        ("GET", "/injected", 200, '{"found":"injected"}'),
        ("GET", "/direct", 200, '{"scopes":["read","write","/direct"]}'),
        ("GET", "/created", 201, '{"scopes":[],"more":null}'),
        ("GET", "/stricter", 403, '{"detail":"Only for others."}'),
        ("GET", "/gated", 403, '{"detail":"Only from the office."}'),
        ("GET", "/custom", 200, '{"scopes":[],"more":null}'),
        ("GET", "/annotated", 200, "annotated"),
        ("POST", "/limited", 413, "Content Too Large"),
        ("GET", "/mounted/fixed", 200, "the application that is mounted"),
        ("POST", "/injected", 405, '{"detail":"Method Not Allowed"}'),
        ("GET", "/nowhere", 404, '{"detail":"Not Found"}'),
        ("GET", "/fails", 418, "handled"),
    ],
)
async def test_a_request_is_answered_the_same(
    http: httpx2.AsyncClient, method: str, path: str, status: int, text: str
) -> None:
    response = await http.request(method, path, content=b"body" if method == "POST" else None)
    assert (response.status_code, response.text) == (status, text)


async def test_what_is_not_what_a_route_promises_is_a_fault(http: httpx2.AsyncClient) -> None:
    with pytest.raises(ResponseValidationError):
        await http.get("/wrong")


async def test_a_dependency_can_be_overridden(app: FastAPI, http: httpx2.AsyncClient) -> None:
    app.dependency_overrides[scopes] = lambda: ["other"]
    response = await http.get("/direct")
    assert response.json() == {"scopes": ["other", "other", "/direct"]}


@pytest.mark.parametrize(
    ("path", "media_type"), [("/direct", "application/json"), ("/custom", Custom.media_type)]
)
async def test_an_answer_says_what_it_is(
    http: httpx2.AsyncClient, path: str, media_type: str
) -> None:
    assert (await http.get(path)).headers["content-type"] == media_type


async def test_under_a_path_prefix_the_same_routes_are_found(app: FastAPI) -> None:
    transport = httpx2.ASGITransport(app, root_path="/auth")
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
        assert (await http.get("/auth/described")).text == "/described {}"
