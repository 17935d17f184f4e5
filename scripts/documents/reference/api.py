"""The API: every operation of the OpenAPI document, by its tags."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


def api_page(document: Mapping[str, Any]) -> str:
    """The page, from the document that ``make openapi`` writes."""
    described = {tag["name"]: tag.get("description", "") for tag in document.get("tags", ())}
    operations: dict[str, list[str]] = defaultdict(list)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = operation.get("tags", ["other"])[0]
            operations[tag].append("\n\n".join(_operation(document, method, path, operation)))
    parts = [
        "# API",
        "Every route of a development server, as [openapi.json](../openapi.json) describes it, "
        "from which clients can be generated. What each error means is at [errors](../errors.md). "
        "This page is made from the code.",
    ]
    for tag, texts in operations.items():
        parts += [f"## {tag}", described.get(tag, ""), *texts]
    return "\n\n".join(filter(None, parts)) + "\n"


def _operation(
    document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]
) -> Iterator[str]:
    yield f"### {method.upper()} {path}"
    text = operation.get("description") or operation.get("summary", "")
    yield re.sub(r"^(#+) ", r"###\1 ", text, flags=re.MULTILINE)
    yield f"Opened by: {'; or '.join(operation['x-opened-by'])}."
    fields = [
        (each["name"], each["in"], each.get("required", False), each.get("schema", {}), each)
        for each in operation.get("parameters", ())
    ]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolve(document, content.get("schema", {}))
        where = "form" if "form" in kind else "body"
        required = schema.get("required", ())
        for name, inner in schema.get("properties", {}).items():
            fields.append((name, where, name in required, inner, inner))
    if fields:
        rows = [
            f"| `{name}` | {where} | {_type(schema)} | {'yes' if needed else ''} | {_cell(about)} |"
            for name, where, needed, schema, about in fields
        ]
        yield "\n".join(
            ["| field | in | type | required | |", "| --- | --- | --- | --- | --- |", *rows]
        )
    rows = [
        f"| {status} | {_body(answer)} | {_cell(answer)} |"
        for status, answer in sorted(operation.get("responses", {}).items())
    ]
    yield "\n".join(["| answer | body | |", "| --- | --- | --- |", *rows])


def _resolve(document: Mapping[str, Any], schema: Schema) -> Schema:
    if "$ref" in schema:
        found: Schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def _type(schema: Schema) -> str:
    """The type in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_type(each) for each in schema[several]))
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    if "format" in schema:
        return f"{schema.get('type', 'string')} ({schema['format']})"
    return str(schema.get("type", "any"))


def _body(answer: Mapping[str, Any]) -> str:
    kinds = [
        f"{_type(content['schema'])} (`{kind}`)" if content.get("schema") else f"`{kind}`"
        for kind, content in answer.get("content", {}).items()
    ]
    return ", ".join(kinds)


def _cell(about: Mapping[str, Any]) -> str:
    return " ".join(str(about.get("description", "")).split()).replace("|", "\\|")
