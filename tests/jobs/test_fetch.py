import errno
import io
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote_to_bytes

import pytest

from happyhorse.errors import DiskFull, MediaError
from happyhorse.jobs.fetch import Fetcher
from happyhorse.jobs.outbound import Outbound, Unresolved, checked, resolve

LOCAL_HOSTS = [
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
    "0x7f.0x0.0x0.0x1", "0", "0.0.0.0", "localhost", "LOCALHOST", "localhost.", "ip6-localhost", "[::1]", "[::]",
    "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
    "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001:0:7f00:1::]", "10.0.0.1", "10.255.255.255",
    "172.16.0.1", "172.31.255.254", "192.168.0.1", "192.168.1.1", "167772161", "169.254.169.254", "169.254.0.1",
    "2852039166", "0xa9fea9fe", "[fe80::1]", "[fe80::1%25lo]", "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]",
    "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]", "100.64.0.1", "100.100.100.200", "192.0.0.1", "192.0.2.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "[100::1]",
    "[2001:db8::1]",
]  # fmt: skip

STRANGE_URLS = [
    "ftp://example.com/a.png", "file:///etc/passwd", "gopher://127.0.0.1:6379/_INFO", "http:///a.png", "http://", "https://:80/",
    "http://user@example.com/", "http://user:word@example.com/", "http://example.com@127.0.0.1/", "http://exa mple.com/",
    "http://example.com\\@127.0.0.1/", "http://example.com:0/", "http://example.com:99999/", "http://[::1", "http://example.com/\r\nX: y",
    "http://example.com/\0", "//127.0.0.1/", "javascript:alert(1)", "http://" + "a" * 5000 + ".test/", "http://a..b/",
    "dict://127.0.0.1:11211/", "jar:http://127.0.0.1!/", "http://\u2024/",
]  # fmt: skip


@pytest.mark.parametrize("host", LOCAL_HOSTS)
@pytest.mark.parametrize("shape", ["http://{}/a.png", "https://{}:8443/"])
def test_no_spelling_of_a_private_address_is_reached(host, shape):
    with pytest.raises(
        MediaError, match=r"not public|does not resolve|cannot be written|not a URL|without an address"
    ):
        Fetcher().fetch(shape.format(host), io.BytesIO(), field="image", max_s=2)


@pytest.mark.parametrize("url", STRANGE_URLS)
def test_what_is_no_plain_web_address_is_refused(url):
    fetcher = Fetcher(Outbound(resolve=lambda host, port: ["127.0.0.1"]))
    with pytest.raises(MediaError) as caught:
        fetcher.fetch(url, io.BytesIO(), field="image", max_s=2)
    assert caught.value.field == "image"
    assert "word" not in caught.value.message


@pytest.fixture(scope="module")
def site():
    class Site(BaseHTTPRequestHandler):
        def do_GET(self):
            code, _, place = self.path[1:].partition("/")
            if code.startswith("3"):
                self.send_response(int(code))
                raw = unquote_to_bytes(place)  # as some servers write it
                self._headers_buffer.append(b"Location: " + raw + b"\r\n")
                self.end_headers()
            elif code == "endless":
                self.send_response(200)
                self.end_headers()
                for _ in range(100_000):
                    self.wfile.write(b"x" * 10_000)
            elif code == "drip":
                for _ in range(100):
                    self.wfile.write(b"H")
                    time.sleep(0.05)
            else:
                self.send_response(int(code))
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.handle_error = lambda *_: None  # the reader hangs up on purpose
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def fetched(url, *, max_s=5, resolve=resolve, **options):
    into, outbound = io.BytesIO(), Outbound(allow_local=True, resolve=resolve)
    Fetcher(outbound, **options).fetch(url, into, field="image", max_s=max_s)
    return into.getvalue()


def test_a_file_is_fetched_also_after_a_redirect(site):
    assert fetched(f"http://127.0.0.1:{site}/200") == b"ok"
    assert fetched(f"http://127.0.0.1:{site}/302//200") == b"ok"


def test_an_answer_other_than_200_is_refused(site):
    with pytest.raises(MediaError, match="answered 404"):
        fetched(f"http://127.0.0.1:{site}/404")
    with pytest.raises(MediaError, match="redirects more than 4 times"):
        fetched(f"http://127.0.0.1:{site}/302//302//302//302//302//200")


def test_a_file_without_end_is_cut_off(site):
    with pytest.raises(MediaError, match="larger than 1 MB"):
        fetched(f"http://127.0.0.1:{site}/endless", max_bytes=1_000_000)


def test_an_answer_that_comes_byte_by_byte_wins_no_time(site):
    started = time.monotonic()
    with pytest.raises(MediaError, match=r"took longer than 0\.3 s"):
        fetched(f"http://127.0.0.1:{site}/drip", max_s=0.3)
    assert time.monotonic() - started < 1


def test_a_name_that_is_long_in_resolving_wins_no_time():
    def slow(host, port):
        time.sleep(3)
        return ["127.0.0.1"]

    started = time.monotonic()
    with pytest.raises(MediaError, match=r"took longer than 0\.3 s"):
        fetched("http://slow.test/200", max_s=0.3, resolve=slow)
    assert time.monotonic() - started < 1
    with pytest.raises(Unresolved, match="takes long to resolve"):
        Outbound(resolve=slow).check("https://slow.test/hook")
    assert time.monotonic() - started < 2.5


def test_a_redirect_is_checked_like_the_first_address(site):
    """The first name is fine (the test allows its address); the second leads inside."""

    class OnlyFirst(Outbound):
        def open(self, method, url, headers, *, end, content=None):
            self.allow_local = url.startswith("http://first.test")
            return super().open(method, url, headers, end=end, content=content)

    fetcher = Fetcher(OnlyFirst(resolve=lambda host, port: ["127.0.0.1"]))
    with pytest.raises(MediaError, match="not public"):
        fetcher.fetch(
            f"http://first.test:{site}/302/http://second.test:{site}/200", io.BytesIO(), field="image"
        )


def test_a_name_that_changes_its_address_is_connected_where_it_was_checked(site):
    """One look-up decides; there is no second one that could answer differently."""
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    asked = []

    def resolve(host, port):
        asked.append(host)
        return answers[len(asked) - 1]

    assert fetched(f"http://rebinding.test:{site}/200", resolve=resolve) == b"ok"
    assert asked == ["rebinding.test"]


def test_a_name_with_one_private_address_among_public_ones_is_refused():
    with pytest.raises(MediaError, match="not public"):
        Fetcher(Outbound(resolve=lambda host, port: ["93.184.216.34", "192.168.0.1"])).fetch(
            "http://mixed.test/", io.BytesIO(), field="image"
        )


def test_nobody_listening_is_an_error_of_the_field():
    with pytest.raises(MediaError, match="cannot be fetched"):
        fetched("http://127.0.0.1:1/")


def test_letters_outside_of_ascii_are_requested_as_their_bytes(site):
    assert checked("https://bücher.test/bild-ä.png?q=ü%20+%2F#x") == (
        "https://xn--bcher-kva.test/bild-%C3%A4.png?q=%C3%BC%20+%2F"
    )
    assert fetched(f"http://127.0.0.1:{site}/200/bild-ä.png?q=字") == b"ok"
    assert fetched(f"http://127.0.0.1:{site}/302//200/%C3%A4") == b"ok"
    with pytest.raises(MediaError, match="cannot be written"):
        fetched(f"http://127.0.0.1:{site}/200/\ud800")


def test_a_redirect_is_followed_whatever_bytes_it_is_written_in(site):
    for utf8_or_latin1 in ("%C3%A4", "%E5%AD%97", "%E4"):
        assert fetched(f"http://127.0.0.1:{site}/302//200/{utf8_or_latin1}") == b"ok"


def test_a_full_disk_is_not_the_fault_of_the_address(site):
    class Full(io.BytesIO):
        def write(self, _data):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskFull):
        Fetcher(Outbound(allow_local=True)).fetch(f"http://127.0.0.1:{site}/200", Full(), field="image")
