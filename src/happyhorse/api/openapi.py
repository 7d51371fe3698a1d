"""The OpenAPI document: the framework's own, plus what it cannot see: bodies read by hand, keys, errors, examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from happyhorse.api import generations
from happyhorse.api.examples import EXAMPLES
from happyhorse.api.problems import MEDIA_TYPE, Problem

_NATIVE = frozenset({"generations", "webhooks", "files", "keys", "usage", "models", "prompts"})
_PROBLEMS = {
    401: "No credential, or a wrong one.",
    403: "The credential does not allow this.",
    404: "There is no such thing, or it is another key's.",
    409: "It is in a state that does not allow this, or the Idempotency-Key was used for another request.",
    413: "The body is too large.",
    422: "The request is not valid; `field` and `detail` say what and why.",
    429: "A limit of the key is reached; `Retry-After` says when to come back, if time lifts it.",
}
_EVERYWHERE = (401, 403, 422, 429)
_REF = "#/components/schemas/"
_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": f"{_REF}Problem"}}}
_RETRY = {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
_THEIRS = {
    "description": "An error in the dialect's own form; one that precedes the dialect is a problem.",
    "content": {"application/json": {}, MEDIA_TYPE: {}},
}


def document(app: FastAPI) -> dict[str, Any]:
    """Made once for an application."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = made["components"]["schemas"]
        body = generations.BODY_SCHEMA.model_json_schema(ref_template=f"{_REF}{{model}}")
        schemas.update(body.pop("$defs", {}))
        schemas |= {"GenerationRequest": body, "Problem": Problem.model_json_schema()}
        for name, example in EXAMPLES.items():
            schemas[name]["examples"] = [example]
        for path, operation in _operations(made):
            _add_errors(path, operation)
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        made["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{"key": []}, {}]
        app.openapi_schema = made
    return app.openapi_schema


def _operations(made: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in made["paths"].items():
        for operation in methods.values():
            yield path, operation


def _add_errors(path: str, operation: dict[str, Any]) -> None:
    tags, responses = set(operation.get("tags", ())), operation["responses"]
    if not tags:
        return
    responses.pop("422", None)  # the framework's own form, which nothing here answers
    if not tags & _NATIVE:
        responses["4XX"] = _THEIRS
        return
    found = {*_EVERYWHERE, *(int(status) for status in responses if int(status) in _PROBLEMS)}
    if "{" in path:
        found.add(404)
    if "requestBody" in operation:
        found.add(413)
    for status in sorted(found):
        responses[str(status)] = {"description": _PROBLEMS[status], "content": _PROBLEM}
    responses["429"] = {**responses["429"], "headers": {"Retry-After": _RETRY}}
