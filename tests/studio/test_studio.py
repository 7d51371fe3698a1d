"""The page as people use it: type, drop, plan, make, watch, go on from a frame."""

import base64
import threading
import time

import numpy as np
import pytest
from rig import Instant, listening, open_service, pipeline, plainly, png, submit, until, working

from happyhorse.engines.base import Progress
from happyhorse.jobs.keys import KeyStore
from happyhorse.jobs.reader import Filter
from happyhorse.media.picture import small_jpeg
from happyhorse.media.read import decode_image

pytestmark = pytest.mark.slow

SCENE = 'A woman walks along a rainy street at night and says: "It will be fine."'


def requests(service):
    return [job.request for job in service.store.live()] + [
        job.request for job in service.store.list(_all(), limit=50, after=None)[0]
    ]


def made(service):
    return len(service.store.list(_all(), limit=50, after=None)[0])


def _all():
    return Filter(owner=None, status=None, mode=None, metadata=None)


def small(page):
    """What makes the quickest clip."""
    page.check("input[value='480P']")
    page.fill("#duration", "3")
    page.click("text=More")
    page.check("#draft")


def drop(page, *files):
    """Drop (name, type, bytes) anywhere on the page."""
    given = [[name, kind, base64.b64encode(data).decode()] for name, kind, data in files]
    script = """(given) => {
        const carried = new DataTransfer();
        for (const [name, type, text] of given) {
            const data = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            carried.items.add(new File([data], name, { type }));
        }
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(script, given)


def preview_px(page):
    """The width of the preview, when it is there."""
    page.wait_for_selector("#stage img.preview")
    return until(lambda: page.evaluate("document.querySelector('#stage img.preview').naturalWidth"))


def test_the_prompt_is_read_while_it_is_written(url, open_page):
    page = open_page(url)
    page.fill("#prompt", SCENE)
    page.wait_for_selector(".parts .environment.there")
    assert page.locator(".parts .there").all_inner_texts() == ["subject", "action", "environment", "audio"]
    assert "It will be fine." in page.inner_text("#reading q")
    assert "No camera is named" not in page.inner_text("#reading")
    page.click("#hints summary")
    assert "No camera is named" in page.inner_text("#reading")
    page.fill("#prompt", "")
    page.wait_for_selector(".parts .there", state="detached")


def test_suggestions_wait_under_one_line_and_are_taken_by_one_press(url, open_page):
    page = open_page(url)
    page.fill(
        "#prompt", f'{SCENE[:-1]} {"I know it as well as anyone who ever walked here alone at night. " * 2}"'
    )
    page.click("text=/\\d+ words, English; \\d suggestions/")
    page.click("text=+ Push-in")
    page.wait_for_selector(".parts .camera.there")
    assert page.input_value("#prompt").endswith('" Slow push-in.')
    page.click("text=/Make it \\d+ s long/")
    page.wait_for_selector("text=/The lines need/", state="detached")
    assert int(page.input_value("#duration")) > 5


def test_nothing_is_sent_without_a_scene(url, open_page, service):
    page = open_page(url)
    page.click("#make")
    page.wait_for_selector("#submit-state >> text=Write what happens first")
    assert page.evaluate("document.activeElement.id") == "prompt"
    assert requests(service) == []


def test_a_key_that_is_held_down_makes_one_clip(url, open_page, service):
    page = open_page(url)
    page.fill("#prompt", SCENE)
    small(page)
    page.focus("#prompt")
    page.keyboard.down("Control")
    for _ in range(8):
        page.keyboard.down("Enter")  # again before it is up: the key repeats
    page.keyboard.up("Enter")
    page.keyboard.up("Control")
    page.wait_for_selector("#stage video")
    assert made(service) == 1


def test_a_clip_whose_answer_was_lost_is_asked_for_again_and_made_once(url, open_page, service):
    page, sent = open_page(url), []

    def lose_the_first(route):
        sent.append(route.request.headers["idempotency-key"])
        if len(sent) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route(
        "**/v1/generations", lambda r: lose_the_first(r) if r.request.method == "POST" else r.continue_()
    )
    page.fill("#prompt", SCENE)
    small(page)
    page.click("#make")
    until(lambda: not page.is_disabled("#make") and len(sent) == 1)
    page.click("#make")
    page.wait_for_selector("#stage video")
    assert sent[0] == sent[1]
    assert made(service) == 1
    page.click("#make")
    until(lambda: page.title() and made(service) == 2)
    assert sent[2] != sent[1]


def test_what_was_written_outlives_a_reload_until_it_is_made(url, open_page):
    page = open_page(url)
    page.fill("#prompt", SCENE)
    page.reload()
    page.wait_for_selector(".parts .environment.there")
    assert page.input_value("#prompt") == SCENE


def test_plan_and_price_follow_every_change(url, open_page):
    page = open_page(url)
    page.fill("#prompt", SCENE)
    page.wait_for_selector("#plan >> text=list price $0.91")
    page.wait_for_selector("#plan >> text=/1280 . 720, 5 s/")
    page.check("input[value='1080P']")
    page.fill("#duration", "10")
    page.wait_for_selector("#plan >> text=list price $3.12")
    page.check("input[value='9:16']")
    page.wait_for_selector("#plan >> text=/1080 . 1920, 10 s/")


def test_a_clip_is_made_watched_and_played(url, open_page, service):
    page = open_page(url)
    page.fill("#prompt", SCENE)
    small(page)
    page.click("#make")
    page.wait_for_selector("#stage-progress")
    page.wait_for_selector("#stage video")
    playing = page.evaluate(
        "async () => { const v = document.querySelector('#stage video'); v.muted = true; await v.play(); return v.duration; }"
    )
    assert playing == pytest.approx(3, abs=0.1)
    (job,) = service.store.list(_all(), limit=5, after=None)[0]
    assert job.request["prompt"] == SCENE
    assert job.id in page.url
    page.wait_for_selector(f"#library button[data-id='{job.id}'] img")
    page.reload()
    page.wait_for_selector("#stage video")


def test_what_is_being_made_is_shown_before_it_is_done(url, open_page):
    page = open_page(url)
    page.fill("#prompt", SCENE)
    page.check("input[value='1080P']")
    page.fill("#duration", "10")
    page.click("#make")
    assert preview_px(page) == 240
    assert page.is_visible("#stage-progress")


def test_a_clip_that_is_still_noise_shows_where_it_goes(service, tmp_path, open_page):
    picture, seen = small_jpeg(np.full((90, 160, 3), 200, np.uint8), 240), threading.Event()

    def during(show):
        for step in range(1, 5):
            show(Progress("base", step, 8, step / 10, 20.0, picture if step == 2 else None))
        seen.wait(60)

    with listening(service) as address:
        page = open_page(address)
        job = submit(service)
        worker = threading.Thread(
            target=pipeline(service, tmp_path, engine=Instant(during)).run, args=(job.id, plainly)
        )
        worker.start()
        page.goto(f"{address}/#{job.id}")
        page.reload()
        assert preview_px(page) == 160
        page.wait_for_selector("#stage-state >> text=Denoising 4/8, 20 s left")
        seen.set()
        page.wait_for_selector("#stage video")
        worker.join(60)


def test_a_frame_becomes_the_next_first_frame(url, open_page, service, tmp_path):
    page = open_page(url)
    page.fill("#prompt", SCENE)
    small(page)
    page.click("#make")
    page.wait_for_selector("#stage video")
    page.evaluate("document.querySelector('#stage video').currentTime = 1.5")
    page.click("text=Use this frame")
    page.wait_for_selector(".inputs img")
    assert page.input_value(".inputs select") == "image"
    page.click("#make")
    first = until(lambda: next((r for r in requests(service) if "image" in r), None))
    upload = service.uploads.get(first["image"]["file_id"], owner=None)
    frame = decode_image(service.blobs.path(upload.sha256))
    assert frame.shape[1] == 848
    assert "reframe" not in first


def test_one_picture_is_the_first_frame_and_more_are_references(url, open_page, service):
    page = open_page(url)
    page.fill("#prompt", "character1 greets character2 on a beach.")
    small(page)
    drop(page, ("one.png", "image/png", png()))
    page.wait_for_selector("text=one.png")
    assert page.input_value(".inputs select") == "image"
    drop(page, ("two.png", "image/png", png(seed=2)))
    page.wait_for_selector("text=Reference 2", state="attached")
    page.wait_for_selector("#plan >> text=Character2 is image 2")
    page.click("#make")
    page.wait_for_selector("#stage video")
    (request,) = requests(service)
    assert len(request["references"]) == 2


def test_a_refused_file_is_no_reference_and_holds_the_clip_back(url, open_page, service):
    page = open_page(url)
    page.fill("#prompt", "A walk on a beach")
    drop(page, ("notes.txt", "text/plain", b"hello"), ("one.png", "image/png", png()))
    page.wait_for_selector(".inputs .failed")
    page.wait_for_selector(".inputs .name:text-is('one.png')")
    drop(page, ("two.png", "image/png", png(seed=2)))
    page.click("text=+ character2")
    assert page.input_value("#prompt") == "A walk on a beach character2"
    page.click("#make")
    page.wait_for_selector("#submit-state >> text=A file could not be used.")
    assert requests(service) == []
    page.click("button[aria-label='Remove notes.txt']")
    page.wait_for_selector("#submit-state:empty", state="attached")


def test_an_edit_starts_from_a_clip_and_bills_both(url, open_page, service):
    page = open_page(url)
    page.fill("#prompt", SCENE)
    page.fill("#duration", "3")
    page.click("#make")
    page.wait_for_selector("#stage video")
    page.click("text=Edit this clip")
    page.wait_for_selector("text=Video to edit")
    page.wait_for_selector("#duration-field", state="hidden")
    page.fill("#prompt", "Make the street dry.")
    page.select_option("#audio", "retain")
    page.wait_for_selector("#plan >> text=list price $1.09")
    page.click("#make")
    edit = until(lambda: next((r for r in requests(service) if "video" in r), None))
    assert edit["audio"] == "retain"


def test_what_cannot_be_made_is_said_in_the_servers_words(url, open_page):
    page = open_page(url)
    page.fill("#prompt", SCENE)
    page.click("text=More")
    page.fill("#seed", "abc")
    page.wait_for_selector("text=seed must be a whole number from 0 to 2147483647; got 'abc'")
    page.click("#make")
    page.wait_for_selector("#submit-state >> text=seed must be a whole number")
    drop(page, ("notes.txt", "text/plain", b"hello"))
    page.wait_for_selector(".inputs .failed:has-text('notes.txt') >> text=is text, not a readable image")


def test_a_running_clip_is_canceled_and_a_finished_one_deleted(open_page, service, tmp_path):
    with listening(service) as url, working(service, tmp_path, seconds=20):
        page = open_page(url)
        page.fill("#prompt", SCENE)
        small(page)
        page.click("#make")
        page.wait_for_selector("#stage-state >> text=Denoising")
        page.click("text=Cancel")
        page.wait_for_selector("text=It was canceled and costs nothing.")
        page.click("button:text('Delete')")
        page.wait_for_selector("button:text('Delete for good?')")
        assert service.store.list(_all(), limit=5, after=None)[0]
        page.click("button:text('Delete for good?')")
        page.wait_for_selector("text=Type a scene, get a clip")
        page.wait_for_selector("text=Clips that you make are kept here.")
        assert page.evaluate("document.activeElement.id") == "stage"


def test_the_library_pages_filters_and_opens_clips(open_page, service):
    for number in range(26):
        submit(service, prompt=f"Scene number {number}.")
    with listening(service) as url:
        page = open_page(url)
        page.wait_for_selector("text=Scene number 25.")
        assert page.locator("#library li").count() == 24
        page.click("#more")
        page.wait_for_selector("text=Scene number 0.")
        assert page.is_hidden("#more")
        page.select_option("#filter", "failed")
        page.wait_for_selector("text=Nothing failed.")
        page.select_option("#filter", "queued")
        page.click("text=Scene number 7.")
        page.wait_for_selector("#stage >> text=Scene number 7.")


def test_reuse_prompt_brings_prompt_settings_and_inputs_back(url, open_page, service):
    page = open_page(url)
    page.fill("#prompt", SCENE)
    small(page)
    page.fill("#seed", "42")
    drop(page, ("one.png", "image/png", png()))
    page.wait_for_selector(".inputs .name:text-is('one.png')")
    page.click("#make")
    page.wait_for_selector("#stage video")
    page.reload()
    page.wait_for_selector("#stage video")
    assert page.input_value("#prompt") == ""
    page.click("text=Reuse prompt")
    page.wait_for_selector(".inputs img")
    assert (page.input_value("#prompt"), page.input_value("#seed")) == (SCENE, "42")
    assert page.is_checked("input[name=resolution][value='480P']")


def test_everything_is_done_by_keyboard(url, open_page):
    page = open_page(url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the prompt"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.focus("#prompt")
    page.keyboard.type(SCENE)
    seen = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate(
                "document.activeElement.id || document.activeElement.name || document.activeElement.tagName"
            )
        )
    assert {"choose", "duration", "resolution", "ratio", "make"} <= seen
    page.focus("#prompt")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#stage-progress")
    page.wait_for_selector("#stage video")


def test_every_control_has_a_name(url, open_page, service, tmp_path):
    page = open_page(url)
    page.fill("#prompt", SCENE)
    small(page)
    drop(page, ("one.png", "image/png", png()))
    page.wait_for_selector(".inputs .name:text-is('one.png')")
    page.click("#make")
    page.wait_for_selector("#stage video")
    script = """() => [...document.querySelectorAll('button, a, input, select, textarea, video, progress, dialog')]
        .filter((e) => !e.closest('[hidden]'))
        .filter((e) => !(e.labels?.length || e.ariaLabel || e.textContent.trim() || e.getAttribute('aria-labelledby')))
        .map((e) => e.outerHTML)"""
    assert page.evaluate(script) == []
    assert page.evaluate("document.querySelectorAll('img:not([alt])').length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(url, open_page, scheme):
    page = open_page(url, color_scheme=scheme)
    script = """() => {
        const read = (text) => text.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const probe = document.body.appendChild(document.createElement('i'));
        const value = (name) => { probe.style.color = `var(--${name})`; return light(read(getComputedStyle(probe).color)); };
        const ratio = (a, b) => { const [x, y] = [value(a), value(b)].sort(); return (y + 0.05) / (x + 0.05); };
        const found = {};
        for (const text of ['ink', 'quiet', 'accent', 'good', 'warn', 'bad', 'subject', 'action', 'environment', 'style', 'camera', 'audio'])
            for (const ground of ['paper', 'card', 'well']) found[`${text} on ${ground}`] = ratio(text, ground);
        found['on-accent on accent'] = ratio('on-accent', 'accent');
        const edges = ['paper', 'card', 'well'].map((ground) => [`edge on ${ground}`, ratio('edge', ground)]);
        return [...Object.entries(found).filter(([, r]) => r < 4.5), ...edges.filter(([, r]) => r < 3)];
    }"""
    assert page.evaluate(script) == []


def test_a_phone_shows_one_column_that_does_not_scroll_sideways(url, open_page):
    page = open_page(url, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page.fill("#prompt", SCENE)
    small(page)
    page.click("#make")
    page.wait_for_selector("#stage video")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    stage, form = page.locator("#stage").bounding_box(), page.locator("#composer").bounding_box()
    assert stage["y"] >= form["y"] + form["height"]
    box = "document.querySelector('#stage video').getBoundingClientRect()"
    seen = f"(() => {{ const box = {box}; return [box.top, innerHeight - box.bottom]; }})()"
    until(lambda: min(page.evaluate(seen)) >= 0, timeout_s=20)


def test_a_server_with_keys_asks_for_one_and_keeps_it(open_page, tmp_path, browser):
    service = open_service(tmp_path)
    _, secret = KeyStore(service.database).create("me")
    with listening(service, single_user=False) as url, working(service, tmp_path):
        page = browser.new_context().new_page()
        page.goto(url)
        page.wait_for_selector("#key-dialog[open]")
        page.fill("#key", secret)
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Clips that you make are kept here.")
        page.reload()
        page.wait_for_selector("#forget-key:visible")
        page.fill("#prompt", SCENE)
        small(page)
        page.wait_for_selector("text=Make clip, $0.27")
        page.click("#make")
        page.wait_for_selector("#stage video")
        page.click("#forget-key")
        page.wait_for_selector("#key-dialog[open]")
        page.context.close()
    service.close()


def test_a_server_that_restarts_is_found_again(open_page, service, tmp_path):
    """The stream of events goes on where it broke."""
    with listening(service) as url:
        page = open_page(url)
        page.fill("#prompt", SCENE)
        small(page)
        page.click("#make")
        page.wait_for_selector("#stage-state >> text=Waiting for its turn")
        page.context.set_offline(True)
        time.sleep(0.5)
        with working(service, tmp_path):
            until(lambda: not service.store.live())
        page.context.set_offline(False)
        page.wait_for_selector("#stage video")


def test_a_server_that_cannot_be_reached_is_said_so_until_it_can(url, open_page):
    page = open_page(url)
    page.context.set_offline(True)
    page.fill("#prompt", SCENE)
    page.wait_for_selector("#connection >> text=No connection to the server. Trying again")
    page.click("#make")
    page.wait_for_selector("#submit-state >> text=The server cannot be reached.")
    page.context.set_offline(False)
    page.wait_for_selector("#connection:empty", state="attached")
    page.wait_for_selector("#submit-state:empty", state="attached")
    page.wait_for_selector("#plan >> text=/1280 . 720/")


def test_a_tab_that_is_looked_at_again_shows_what_happened_meanwhile(url, open_page, service):
    gone = submit(service, prompt="Old scene.")
    page = open_page(url)
    page.wait_for_selector("#library >> text=Old scene.")
    until(lambda: not service.store.live())
    page.request.delete(f"{url}/v1/generations/{gone.id}")
    submit(service, prompt="New scene.")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_selector("#library >> text=New scene.")
    assert page.locator("#library >> text=Old scene.").count() == 0
