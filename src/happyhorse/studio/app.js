// The page: a form on the left, the clip in view and the library on the right. Everything is asked of /v1.

import { ApiError, forgetKey, get, hasKey, onKeyNeeded, post } from "/studio/api.js";
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

onKeyNeeded(askForKey);
showReading(null);

const readPrompt = debounced(() => {
  const { mode, fields } = composer;
  read(fields.prompt, { mode, duration: fields.duration, references: fields.references?.length ?? (fields.image ? 1 : 0) });
}, READ_MS);
const planClip = debounced(() => refresh(composer.fields, composer.engine), PLAN_MS);

const composer = new Composer(() => {
  say(null);
  readPrompt();
  planClip();
});
const library = new Library((clip) => open(clip));
const stage = new Stage({
  onChange(generation) {
    library.put(generation);
    pick(generation.id);
  },
  onGone(id) {
    library.drop(id);
    pick(null);
  },
  onExample(prompt) {
    composer.fill({ prompt, engine: $("engine").value });
    $("prompt").focus();
  },
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
$("forget-key").addEventListener("click", () => {
  forgetKey();
  location.reload();
});

begin();

async function begin() {
  try {
    await lookAtEngines();
    composer.fill({});
    $("forget-key").hidden = !hasKey();
    await library.reload();
    await restore(location.hash.slice(1));
  } catch (error) {
    say(error);
  }
}

/** Show which engines have workers, and look again from time to time. */
async function lookAtEngines() {
  const { data } = await get("/v1/models");
  const live = data.filter((model) => model.live).map((model) => model.id);
  const state = live.length ? `${live.join(", ")} ready` : "no worker is running";
  if ($("engine-state").textContent !== state) {
    $("engine-state").textContent = state;
    composer.offer(data);
    planClip();
  }
  setTimeout(() => lookAtEngines().catch(() => {}), live.length ? SETTLED_MS : LOOK_MS);
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

function pick(id) {
  history.replaceState(null, "", id ? `#${id}` : location.pathname);
  library.mark(id);
}

async function start(role, blob, name) {
  await composer.inputs.replaceWith(role, blob, name);
  $("prompt").focus();
}

async function make() {
  $("make").disabled = true;
  say(null);
  try {
    await composer.inputs.settled();
    const once = [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16)).join("");
    const made = await post("/v1/generations", composer.fields, { headers: { "Idempotency-Key": once } });
    library.put(made);
    open(made);
  } catch (error) {
    say(error);
  } finally {
    $("make").disabled = false;
  }
}

function say(error) {
  if (error && !(error instanceof ApiError)) throw error;
  $("submit-state").textContent = error?.message ?? "";
  if (error) document.querySelector("#plan .problem")?.remove(); // it is the same sentence
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
