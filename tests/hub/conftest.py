"""The hub that tests download from."""

from collections.abc import Iterator

import pytest
from fake_hub import FakeHub


@pytest.fixture
def server() -> Iterator[FakeHub]:
    hub = FakeHub()
    yield hub
    hub.server.shutdown()
    hub.server.server_close()
