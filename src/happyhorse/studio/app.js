// The page: a form on the left, the clip in view and the library on the right. Everything is asked of /v1.

import { ApiError, connection, forgetKey, get, hasKey, isOver, isReached, onKeyNeeded, post } from "/studio/api.js";
import { Composer } from "/studio/composer.js";
import { $, debounced } from "/studio/dom.js";
import { Library } from "/studio/library.js";
import { refresh } from "/studio/plan.js";
import { read, show as showReading } from "/studio/reading.js";
import { Stage } from "/studio/stage.js";

const READ_MS = 250;
const PLAN_MS = 450;
const LOOK_MS = 2000;
const SETTLED_MS = 20_000;
const TITLE = document.title;
const DRAFT = "happyhorse.draft";

let unanswered = null; // the request that was sent last, until it is answered: sent again, it makes no second clip

onKeyNeeded(askForKey);

const readPrompt = debounced(() => {
  const { mode, fields } = composer;
  const references = fields.references?.length ?? (fields.image ? 1 : 0);
  read(fields.prompt, { mode, duration: fields.duration, references }, composer);
}, READ_MS);
const planClip = debounced(() => refresh(composer.fields, composer.engine), PLAN_MS);

const composer = new Composer(() => {
  say("");
  sessionStorage.setItem(DRAFT, $("prompt").value);
  readPrompt();
  planClip();
});
const library = new Library((clip) => open(clip));
const stage = new Stage({
  onChange(generation) {
    library.put(generation);
    pick(generation.id);
    entitle(generation);
  },
  onProgress(generation) {
    library.progress(generation);
    entitle(generation);
  },
  onGone(id) {
    library.drop(id);
    pick(null);
  },
  onExample(prompt) {
    composer.fill({ prompt, engine: $("engine").value });
    $("prompt").focus();
  },
  can: (mode) => composer.can(mode),
  useFrame: (blob, name) => start("image", blob, name),
  edit: (blob, name) => start("video", blob, name),
  again(request) {
    composer.fill(request);
    $("prompt").focus();
  },
});

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  make();
});
connection.addEventListener("change", () => {
  $("engine-state").hidden = !isReached();
  $("connection").textContent = isReached() ? "" : "No connection to the server. Trying again…";
  if (!isReached()) return;
  say("");
  catchUp().catch(() => {});
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  document.title = TITLE;
  catchUp().catch(() => {});
});
$("forget-key").addEventListener("click", () => {
  forgetKey();
  location.reload();
});

showReading(null);
begin();

async function begin() {
  try {
    const draft = sessionStorage.getItem(DRAFT) ?? "";
    await lookAtEngines();
    composer.fill({ prompt: draft });
    $("forget-key").hidden = !hasKey();
    await library.reload();
    await restore(location.hash.slice(1));
  } catch (error) {
    sayProblem(error);
  }
}

/** Show which engines have workers, and look again from time to time. */
async function lookAtEngines() {
  let live = [];
  try {
    const { data } = await get("/v1/models");
    live = data.filter((model) => model.live).map((model) => model.id);
    const state = live.length ? `${live.join(", ")} ready` : "no worker is running";
    if ($("engine-state").textContent !== state) {
      $("engine-state").textContent = state;
      $("engine-state").classList.toggle("live", live.length > 0);
      composer.offer(data);
      planClip();
    }
  } finally {
    setTimeout(() => Promise.all([lookAtEngines(), library.refresh()]).catch(() => {}), live.length ? SETTLED_MS : LOOK_MS);
  }
}

/** See what has changed while nobody looked or the server was away. */
async function catchUp() {
  await library.refresh();
  readPrompt();
  planClip();
}

/** Open the clip that the address names. */
async function restore(id) {
  if (!/^[\w-]{1,64}$/.test(id)) return;
  const clip = library.find(id) ?? await get(`/v1/generations/${id}`).catch(() => null);
  if (clip) open(clip);
}

function open(clip) {
  pick(clip.id);
  stage.show(clip);
  const box = $("stage");
  if (box.getBoundingClientRect().top < 0 || box.getBoundingClientRect().top > innerHeight / 2) box.scrollIntoView();
}

/** The tab says how far the clip is, for whoever looks at another one meanwhile. */
function entitle({ status, progress }) {
  const over = document.hidden ? `Done, ${TITLE}` : TITLE;
  document.title = isOver(status) ? over : `${Math.round(progress.percent)} %, ${TITLE}`;
}

function pick(id) {
  history.replaceState(null, "", id ? `#${id}` : location.pathname);
  library.mark(id);
}

async function start(role, blob, name) {
  await composer.inputs.replaceWith(role, blob, name);
  $("prompt").focus();
}

async function make() {
  if (!$("prompt").value.trim() && !composer.inputs.has("image")) {
    say("Write what happens first, or add a picture to begin with.");
    $("prompt").focus();
    return;
  }
  if ($("make").disabled) return; // the form may be sent by a key, too
  $("make").disabled = true;
  say("");
  try {
    await composer.inputs.settled();
    if (composer.inputs.hasRefused) {
      say("A file could not be used. Take it away or choose another, then make the clip.");
      return;
    }
    const fields = composer.fields;
    const wish = JSON.stringify(fields);
    if (unanswered?.wish !== wish) unanswered = { wish, key: randomKey() };
    const made = await post("/v1/generations", fields, { headers: { "Idempotency-Key": unanswered.key } });
    unanswered = null;
    sessionStorage.removeItem(DRAFT);
    library.put(made);
    open(made);
  } catch (error) {
    sayProblem(error);
  } finally {
    $("make").disabled = false;
  }
}

function randomKey() {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16)).join("");
}

function sayProblem(error) {
  if (!(error instanceof ApiError)) throw error;
  say(error.message);
}

function say(text) {
  $("submit-state").textContent = text;
  if (text) document.querySelector("#plan .problem")?.remove(); // it is the same sentence
}

function askForKey(reason) {
  const dialog = $("key-dialog");
  $("key-reason").textContent = reason;
  $("key").value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve($("key").value.trim() || null), { once: true });
  });
}
