"""The API is what its OpenAPI document says: requests are drawn from the document, answers are held against it."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from rig import SMALL, open_service, pipeline, plainly, png, submit
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from happyhorse.api.app import create_app
from happyhorse.jobs.submit import LOCAL
from happyhorse.jobs.webhooks import Target

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
NATIVE = ("/v1/generations", "/v1/plans", "/v1/prompts", "/v1/files", "/v1/keys", "/v1/usage", "/v1/webhooks")
SELDOM = {
    # a medium and an address are not drawn by chance, and a preview is there only while a clip is made
    "POST /v1/files",
    "POST /v1/webhooks",
    "GET /v1/generations/{job_id}/previews/{number}",
}
NO_SEARCH = settings(
    max_examples=20,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def told(tmp_path):
    """A service with one of everything, its document, and what a request may name in a path."""
    service = open_service(tmp_path)
    service.outbound.resolve = lambda host, port: (_ for _ in ()).throw(OSError("no names here"))
    app = create_app(service, single_user=False)
    _, secret = service.keys.create("admin", scopes=["admin"])
    hook = service.endpoints.create(
        Target("https://hooks.test/", "http://here.test"), owner="local", audience=None
    )
    other, _ = service.keys.create("other")
    made, gone = submit(service), submit(service, seed=8)
    pipeline(service, tmp_path).run(made.id, plainly)
    service.store.cancel(gone.id, owner=None)
    with (tmp_path / "cat.png").open("wb+") as file:
        file.write(png())
        file.seek(0)
        upload = service.uploads.add(file, name="cat.png", owner=LOCAL.owner)
    (news, *_), _ = service.deliveries.list(owner=None)
    jobs = [made.id, gone.id]
    real = {
        "job_id": jobs,
        "name": [*jobs, *(f"video_{job.replace('-', '')}" for job in jobs)],
        "file_id": [upload.id],
        "frame": ["0", "last"],
        "webhook_id": [hook.id],
        "delivery_id": [news.id],
        "key_id": [other.id],
    }
    yield schemathesis.openapi.from_asgi("/openapi.json", app), real, secret
    service.close()


def drawn(operation, real, mode):
    """Requests of an operation: as the document allows them, or not; half of them name what is there."""

    @st.composite
    def draw_case(draw):
        case = draw(operation.as_strategy(generation_mode=mode))
        known = set(case.path_parameters or {}) & set(real) if draw(st.booleans()) else set()
        for name in sorted(known):
            case.path_parameters[name] = draw(st.sampled_from(real[name]))
        if isinstance(case.body, dict) and operation.path in ("/v1/generations", "/v1/plans"):
            kept = draw(st.sets(st.sampled_from(sorted(case.body)))) if case.body else ()
            case.body = {**SMALL, **{name: case.body[name] for name in kept}}
        return case

    return draw_case()


def statuses_of(operation, real, mode, secret):
    """Try an operation and hold each answer against the document. Returns the statuses that were seen."""
    seen = set()

    @NO_SEARCH
    @given(case=drawn(operation, real, mode))
    def hold(case):
        response = case.call(headers={"Authorization": f"Bearer {secret}"})
        seen.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    hold()
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_one_that_the_document_describes(told, mode):
    schema, real, secret = told
    statuses, wrong = {}, []
    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in sorted(operations, key=lambda one: one.method == "delete"):
        if not operation.path.startswith("/v1/"):
            continue
        try:
            statuses[operation.label] = statuses_of(operation, real, mode, secret)
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # there is nothing in it to be wrong
        except FailureGroup as group:
            wrong += [f"{operation.label}: {failure}"[:2000] for failure in group.exceptions]
    assert not wrong, "\n\n".join(wrong)
    if mode is GenerationMode.POSITIVE:  # what matters was among what was checked
        native = {label: seen for label, seen in statuses.items() if label.split()[1].startswith(NATIVE)}
        assert len(native) >= 30
        assert {label for label, seen in native.items() if min(seen) >= 300} <= SELDOM
