"""The page at ``/`` in development: what is here, who may log in, commands to copy."""

from fastapi import APIRouter, Response

from app.operations.demo import demo_clients, demo_is_present, demo_users
from app.pages.rendering import render
from app.web.dependencies import CurrentServer, Reading

router = APIRouter(include_in_schema=False)


@router.get("/")
async def landing(server: CurrentServer, reading: Reading) -> Response:
    """Shows the demo accounts only while they are in the database."""
    return render(
        "landing.html",
        server.settings.look,
        for_developers=True,
        issuer=server.settings.issuer,
        code_flow="authorization_endpoint" in server.published_by_features,
        demo=await demo_is_present(reading, server),
        users=demo_users(server.features),
        clients=demo_clients(server.features),
    )
