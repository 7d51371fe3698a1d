// What would be made and what it costs, before it is made; or why it cannot be made.

import { ApiError, hasKey, post } from "/studio/api.js";
import { $, capital, dollars, h, span } from "/studio/dom.js";

const BOUND = {
  character: ({ images }) => `is image ${images.join(" and ")}`,
  image: () => "is used where the prompt names it",
  first_frame: () => "is the first frame",
  source: () => "is your file",
};
const SOUNDS = { make: "with sound", retain: "sound kept", remove: "silent" };
let newest = 0;

/** Plan a request and show it; an answer that comes after a newer question is dropped. */
export async function refresh(fields, engine) {
  const mine = (newest += 1);
  if (!fields.prompt.trim() && !fields.image) {
    show([]);
    return;
  }
  try {
    const answer = await post("/v1/plans", fields);
    if (mine === newest) show(rows(answer, engine), isCharged(fields.engine) ? answer.price_usd : null);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (mine === newest) show([h("p", { class: "problem" }, error.message)]);
  }
}

/** Whether a clip is paid for: by a key of this server, or by the user's own key elsewhere. */
const isCharged = (engine) => hasKey() || engine === "hosted";

/** A price in words. On one's own machine it is a figure of the price list, and nobody pays it. */
export const price = (usd, engine) => (isCharged(engine) ? dollars(usd) : `list price ${dollars(usd)}`);

function show(content, usd = null) {
  const before = $("plan").textContent;
  const box = h("div", {}, content);
  if (box.textContent !== before) $("plan").replaceChildren(...box.childNodes); // said aloud only when it is new
  $("make").textContent = usd === null ? "Make clip" : `Make clip, ${dollars(usd)}`;
}

function rows({ plan, price_usd: usd }, engine) {
  const facts = `${plan.width} × ${plan.height}, ${plan.duration_s} s, ${SOUNDS[plan.sound]}`;
  const cost = `About ${span(plan.estimated_seconds)} to make, ${price(usd, plan.engine)}`;
  const bindings = plan.bindings.filter((bound) => bound.role in BOUND) // the notes speak of the others
    .map((bound) => h("p", {}, `${capital(bound.name)} ${BOUND[bound.role](bound)}`));
  const notes = plan.notes.map((note) => h("p", { class: note.startsWith("not in ") ? "warning" : "note" }, capital(note)));
  const waits = engine && !engine.live && h("p", { class: "warning" }, `No worker runs ${engine.id} now: the clip will wait for one.`);
  const unpaid = isCharged(plan.engine) ? null : "What the published service charges for such a clip. Nothing is charged here.";
  return [h("p", { class: "facts" }, facts), h("p", { class: "note", title: unpaid }, cost), ...bindings, ...notes, waits].filter(Boolean);
}
