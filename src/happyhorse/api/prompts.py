"""POST /v1/prompts: how a prompt is read, while it is being written."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from happyhorse.api.context import Here
from happyhorse.api.key_first import KeyFirst
from happyhorse.prompt.read import Prompt, read_prompt
from happyhorse.request import MAX_REFERENCES, Mode

router = APIRouter(route_class=KeyFirst, tags=["prompts"])
MAX_CHARS = 20_000


class PromptText(BaseModel):
    """A prompt to read, and what is known of the clip that it is for."""

    prompt: Annotated[
        str, Field(max_length=MAX_CHARS, examples=['A baker lifts a loaf and says: "Fresh and warm!"'])
    ]
    mode: Mode | None = None
    duration: Annotated[float | None, Field(gt=0, le=3600, allow_inf_nan=False)] = None
    references: Annotated[
        int | None, Field(ge=0, le=MAX_REFERENCES, description="How many images it may name.")
    ] = None


@router.post("/v1/prompts", response_model=Prompt)
def read(request: Request, here: Here, body: PromptText) -> Prompt:
    """Say how a prompt is understood: its six parts, the lines to be said, what it names, what to mend. Nothing is kept."""
    here.auth.identify(request, "read")
    return read_prompt(body.prompt, mode=body.mode, duration_s=body.duration, num_references=body.references)
