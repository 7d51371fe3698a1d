"""What every endpoint needs, hung on the application by `create_app`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from happyhorse.api.auth import Auth
from happyhorse.api.feed import Feed
from happyhorse.api.links import Links
from happyhorse.jobs.service import Service


@dataclass(frozen=True)
class Context:
    service: Service
    auth: Auth
    links: Links
    feed: Feed


def context_of(app: FastAPI) -> Context:
    context = app.state.context
    assert isinstance(context, Context)
    return context


async def _context(request: Request) -> Context:
    return context_of(request.app)


Here = Annotated[Context, Depends(_context)]
