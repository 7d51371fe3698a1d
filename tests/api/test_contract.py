"""The API is what its OpenAPI document says: requests are drawn from the document, answers are held against it."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rig import SMALL, open_service, pipeline, plainly, png, submit
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from happyhorse.api.app import create_app
from happyhorse.jobs.submit import LOCAL

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
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
    made, gone = submit(service), submit(service, seed=8)
    pipeline(service, tmp_path).run(made.id, plainly)
    service.store.cancel(gone.id, owner=None)
    with (tmp_path / "cat.png").open("wb+") as file:
        file.write(png())
        file.seek(0)
        upload = service.uploads.add(file, name="cat.png", owner=LOCAL.owner)
    jobs = [made.id, gone.id]
    real = {"job_id": jobs, "name": jobs, "file_id": [upload.id], "frame": ["0", "last"]}
    yield schemathesis.openapi.from_asgi("/openapi.json", app), real, secret
    service.close()


def drawn(operation, real, mode):
    """Requests of an operation: as the document allows them, or not; half of them name what is there."""

    @st.composite
    def draw_case(draw):
        case = draw(operation.as_strategy(generation_mode=mode))
        for name in case.path_parameters or {}:
            if name in real and draw(st.booleans()):
                case.path_parameters[name] = draw(st.sampled_from(real[name]))
        if isinstance(case.body, dict) and operation.path in ("/v1/generations", "/v1/plans"):
            kept = draw(st.sets(st.sampled_from(sorted(case.body)))) if case.body else ()
            case.body = {**SMALL, **{name: case.body[name] for name in kept}}
        return case

    return draw_case()


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_one_that_the_document_describes(told, mode):
    schema, real, secret = told
    statuses, wrong = {}, []
    for found in schema.get_all_operations():
        operation = found.ok()
        if not operation.path.startswith("/v1/"):
            continue
        seen = statuses.setdefault(operation.label, set())

        @NO_SEARCH
        @given(case=drawn(operation, real, mode))
        def hold(case, seen=seen):
            response = case.call(headers={"Authorization": f"Bearer {secret}"})
            seen.add(response.status_code)
            case.validate_response(response, checks=CHECKS)

        try:
            hold()
        except Exception as err:
            wrong.append(f"{operation.label}: {err!r}"[:3000])
    assert not wrong, "\n\n".join(wrong)
    if mode is GenerationMode.POSITIVE:  # so that the answers that matter were among those that were checked
        for label, status in (
            ("GET /v1/generations/{job_id}", 200),
            ("POST /v1/generations", 202),
            ("POST /v1/keys", 201),
        ):
            assert status in statuses[label], (label, statuses[label])
