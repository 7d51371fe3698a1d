"""A real server process on the test card: what the tests of every foreign SDK start, and what they check beside the SDK."""

import base64
import contextlib
import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from rig import Command, free_port, listening, open_service, png, until

PRICE = {"480P": 0.091, "720P": 0.182, "1080P": 0.312}


@dataclass(frozen=True)
class Live:
    """Where it listens, and a key for it. `http` carries the key."""

    url: str
    key: str
    folder: Path
    http: httpx.Client
    trust: ssl.SSLContext

    @property
    def host(self):
        return self.url.partition("://")[2]

    def generation(self, job_id):
        """A job as the native API shows it."""
        answer = self.http.get(f"/v1/generations/{job_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def picture(self, number=0):
        """A local picture, under a name that needs quoting."""
        place = self.folder / f"picture {number}.png"
        if not place.exists():
            place.write_bytes(png(seed=number))
        return str(place)

    def data_url(self, number=0):
        """The same picture, for clients that send files in requests."""
        return f"data:image/png;base64,{base64.b64encode(Path(self.picture(number)).read_bytes()).decode()}"

    def download(self, video_url):
        """Fetch a result without a credential, and keep it as a local file."""
        answer = httpx.get(video_url, verify=self.trust)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "video/mp4"
        place = self.folder / "clip.mp4"
        place.write_bytes(answer.content)
        return str(place)


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    """A client of an application that a whole file of tests shares: for those that are refused and change nothing."""
    service = open_service(tmp_path_factory.mktemp("front"))
    with listening(service) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client
    service.close()


@contextlib.contextmanager
def serving(folder, *options, certificate=None):
    """`happyhorse serve` on the test card; over TLS when there is a certificate, a pair of paths: chain and key."""
    service = open_service(folder)
    _, secret = service.keys.create("sdk")
    service.close()
    port = free_port()
    tls = () if certificate is None else ("--tls-cert", certificate[0], "--tls-key", certificate[1])
    arguments = ("--engine", "testcard", "--port", port, "--data-dir", folder, "--testcard-seconds", 0.3)
    server = Command("serve", *arguments, *tls, *options, log=folder / "log")
    trust = ssl.create_default_context(cafile=certificate[0] if certificate else None)
    url = f"http{'s' if tls else ''}://localhost:{port}"
    bearer = {"Authorization": f"Bearer {secret}"}
    try:
        with httpx.Client(base_url=url, headers=bearer, verify=trust, timeout=30) as http:
            until(lambda: _answers(http) or server.process.poll() is not None, timeout_s=300)
            assert server.process.poll() is None, (folder / "log").read_text()
            yield Live(url, secret, folder, http, trust)
    finally:
        server.stop()


def _answers(http):
    with contextlib.suppress(httpx.TransportError):
        return http.get("/healthz").status_code == 200
    return False
