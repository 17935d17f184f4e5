"""What our part of ``/docs`` relies on in Swagger UI, so that an update that breaks it says how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

COMPONENTS = [
    "authorizationPopup",
    "BaseLayout",
    "FilterContainer",
    "OperationSummaryPath",
    "OperationTag",
    "operations",
]

MEMBERS = {
    "authActions": ["authorize", "authorizeOauth2", "logout", "showDefinitions"],
    "authSelectors": ["definitionsForRequirements", "definitionsToAuthorize", "shownDefinitions"],
    "layoutActions": ["parseDeepLinkHash", "scrollToElement", "updateFilter"],
    "layoutSelectors": ["currentFilter", "isShown"],
    "specActions": ["executeRequest", "setResponse"],
    "specSelectors": [
        *("operations", "security", "securityDefinitions", "specJson", "taggedOperations", "url"),
    ],
    "fn": ["opsFilter", "resolveSubtree"],
    "React": ["createElement", "useEffect", "useId", "useLayoutEffect", "useSyncExternalStore"],
}

LOOK = """({ components, members }) => {
    let system;
    const plugin = (toolbox) => ((system = toolbox), {});
    const presets = [SwaggerUIBundle.presets.apis];
    const domNode = document.createElement("div");
    SwaggerUIBundle({ spec: {}, domNode, presets, plugins: [plugin] });
    system = system.getSystem();
    const missing = components.filter((name) => !system.getComponents(name));
    for (const [group, names] of Object.entries(members)) {
        const lost = names.filter((name) => !system[group]?.[name]);
        missing.push(...lost.map((name) => `${group}.${name}`));
    }
    return { missing, version: window.versions?.swaggerUi?.version };
}"""


@pytest.fixture(scope="module")
def found(context: BrowserContext, live: str) -> dict[str, Any]:
    with context.new_page() as page:
        page.goto(f"{live}/docs")
        looked: dict[str, Any] = page.evaluate(LOOK, {"components": COMPONENTS, "members": MEMBERS})
        return looked


def test_swagger_ui_has_all_that_the_plugin_wraps_and_calls(found: dict[str, Any]) -> None:
    assert found["missing"] == [], (
        f"Swagger UI {found['version']} no longer has {', '.join(found['missing'])}: "
        "app/pages/login_docs/static needs it"
    )
