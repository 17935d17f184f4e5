"""``/docs`` follows the references of an operation itself, and finds what Swagger UI would."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

ADDRESS = "https://api.example.com/openapi.json"

FOLLOW = """async ([shop, path, baseDoc]) => {
    const { followingReferences } = await import("/docs/references.js");
    let system;
    const plugin = (toolbox) => ((system = toolbox), {});
    const presets = [SwaggerUIBundle.presets.apis];
    const domNode = document.createElement("div");
    SwaggerUIBundle({ spec: {}, domNode, presets, plugins: [plugin] });
    const { resolveSubtree } = system.getSystem().fn;
    let asked = false;
    const original = (...all) => ((asked = true), resolveSubtree(...all));
    const ours = await followingReferences(original)(shop, path, { baseDoc });
    const theirs = await resolveSubtree(structuredClone(shop), path, { baseDoc });
    return { ours: ours.spec, theirs: theirs.spec, asked };
}"""


def a_reference_to(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def shop_with(schema: dict[str, Any], version: str) -> dict[str, Any]:
    """A document with one operation, which answers with ``schema``."""
    answer = {"description": "An item", "content": {"application/json": {"schema": schema}}}
    operation = {"responses": {"200": {"$ref": "#/components/responses/Item"}}}
    schemas = {
        "Item": {"type": "object", "properties": {"price": a_reference_to("Price")}},
        "Price": {"type": "number", "description": "In euros"},
        "A/B~{C}": {"type": "string"},
        "Part": {"type": "object", "properties": {"part": a_reference_to("Part")}},
    }
    return {
        "openapi": version,
        "info": {"title": "A shop", "version": "1"},
        "paths": {"/items": {"get": operation}},
        "components": {"responses": {"Item": answer}, "schemas": schemas},
    }


@pytest.fixture(scope="module")
def page_of_docs(context: BrowserContext, live: str) -> Generator[Page]:
    with context.new_page() as page:
        page.goto(f"{live}/docs")
        yield page


def follow(page: Page, schema: dict[str, Any], version: str = "3.1.0") -> dict[str, Any]:
    path = ["paths", "/items", "get"]
    found: dict[str, Any] = page.evaluate(FOLLOW, [shop_with(schema, version), path, ADDRESS])
    return found


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "string", "example": None}, id="none"),
        pytest.param(a_reference_to("Item"), id="one that leads to another"),
        pytest.param({"type": "array", "items": a_reference_to("Item")}, id="in an array"),
        pytest.param({"anyOf": [a_reference_to("Price"), a_reference_to("Item")]}, id="several"),
        pytest.param({**a_reference_to("Price"), "description": "In pounds"}, id="described"),
        pytest.param(a_reference_to("A~1B~0%7BC%7D"), id="escaped"),
        pytest.param(
            {"type": "object", "properties": {"$ref": a_reference_to("Price")}},
            id="to a property of that name",
        ),
    ],
)
def test_references_are_followed_as_swagger_ui_follows_them(
    page_of_docs: Page, schema: dict[str, Any]
) -> None:
    found = follow(page_of_docs, schema)
    assert found["ours"] == found["theirs"]
    assert not found["asked"]


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(a_reference_to("Part"), id="in a circle"),
        pytest.param({"$ref": "data:application/json,{}"}, id="to another document"),
        pytest.param(a_reference_to("Nothing"), id="to nothing"),
        pytest.param({"allOf": [a_reference_to("Item"), {"minProperties": 1}]}, id="to be merged"),
        pytest.param({"$id": "https://example.com/a", "type": "string"}, id="from another base"),
    ],
)
def test_what_is_more_than_a_reference_is_left_to_swagger_ui(
    page_of_docs: Page, schema: dict[str, Any]
) -> None:
    assert follow(page_of_docs, schema)["asked"]


def test_another_version_of_openapi_is_left_to_swagger_ui(page_of_docs: Page) -> None:
    assert follow(page_of_docs, a_reference_to("Item"), "3.0.4")["asked"]
