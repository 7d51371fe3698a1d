"""The wire forms of webhooks by name: what a dialect adds its own to. See `jobs/webhooks.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from happyhorse.api import views
from happyhorse.api.compat import acedata, fal, inferencesh, openai, openrouter, replicate, runware_tasks
from happyhorse.api.links import Links
from happyhorse.jobs.webhooks import NATIVE, Form, Message

_FORMS: Mapping[str, Callable[[Message, Links], Mapping[str, object]]] = {
    NATIVE: views.message,
    acedata.FORM: acedata.webhook,
    fal.FORM: fal.webhook,
    inferencesh.FORM: inferencesh.webhook,
    openai.FORM: openai.webhook,
    openrouter.FORM: openrouter.webhook,
    replicate.FORM: replicate.webhook,
    runware_tasks.FORM: runware_tasks.webhook,
}


def forms(links: Links) -> Mapping[str, Form]:
    """Every form, with the links that it needs."""
    return {name: _bound(form, links) for name, form in _FORMS.items()}


def _bound(form: Callable[[Message, Links], Mapping[str, object]], links: Links) -> Form:
    return lambda message: form(message, links)
