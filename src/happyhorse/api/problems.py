"""Errors as RFC 9457 problem details: the one place where an exception becomes an HTTP answer."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from happyhorse.errors import HappyHorseError, InvalidRequest, LimitExceeded, Unauthenticated

MEDIA_TYPE = "application/problem+json"
CONFLICT: dict[int | str, dict[str, Any]] = {409: {}}
"""For the routes that may answer so; `openapi` writes the words."""
_log = logging.getLogger("happyhorse.api")


class Problem(BaseModel):
    """What went wrong, by RFC 9457. `code` is stable; `field` names the part of the request."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None
    retryable: bool = False


def file_answers(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """What a route answers that sends a file, whole or in part."""
    content: dict[str, object] = {media_type: {} for media_type in media_types}
    return {
        200: {"description": "The whole file.", "content": content},
        206: {"description": "The part that `Range` asked for.", "content": content},
        416: {"description": "`Range` lies outside of the file."},
    }


def problem(
    status: int, code: str, detail: str, *, field: str | None = None, retryable: bool = False
) -> JSONResponse:
    body = Problem(
        type=f"urn:happyhorse:error:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        field=field,
        retryable=retryable,
    )
    headers = {"WWW-Authenticate": "Bearer"} if status == Unauthenticated.status else None
    return JSONResponse(body.model_dump(), status, headers, MEDIA_TYPE)


def retry_headers(err: HappyHorseError) -> Mapping[str, str]:
    """When to come back, for a limit that time lifts."""
    if isinstance(err, LimitExceeded) and err.retry_after_s is not None:
        return {"Retry-After": str(max(math.ceil(err.retry_after_s), 1))}
    return {}


def install(app: FastAPI) -> None:
    """Map our errors, bad input of the framework's own, unknown routes, and everything else."""

    @app.exception_handler(HappyHorseError)
    async def ours(_request: Request, err: HappyHorseError) -> JSONResponse:
        answer = problem(err.status, err.code, err.message, field=err.field, retryable=err.retryable)
        answer.headers.update(retry_headers(err))
        return answer

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, err: RequestValidationError) -> JSONResponse:
        first = err.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or None
        return problem(422, "invalid_request", f"{field or 'request'}: {first['msg']}", field=field)

    @app.exception_handler(HTTPException)
    async def http(_request: Request, err: HTTPException) -> JSONResponse:
        codes: Mapping[int, str] = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
        # A body that the framework cannot even parse is answered as one that does not fit.
        status = InvalidRequest.status if err.status_code == 400 else err.status_code
        return problem(status, codes.get(status, InvalidRequest.code), str(err.detail))

    @app.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _err: ClientDisconnect) -> JSONResponse:
        # Nobody reads this; without it a client that hangs up would stand in the log as a failure of the server.
        return problem(400, InvalidRequest.code, "the connection was closed before the body was there")

    @app.exception_handler(Exception)
    async def unexpected(request: Request, err: Exception) -> JSONResponse:
        _log.error("%s %r failed", request.method, request.url.path, exc_info=err)  # r: it may hold anything
        return problem(500, "error", "the server failed; the log says why", retryable=True)
