// What would be made and what it costs, before it is made; or why it cannot be made.

import { ApiError, post } from "/studio/api.js";
import { $, dollars, h, span } from "/studio/dom.js";

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
    if (mine === newest) show(rows(answer, engine), answer.price_usd);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (mine === newest) show([h("p", { class: "problem" }, error.message)]);
  }
}

function show(content, price = null) {
  $("plan").replaceChildren(...content);
  $("make").textContent = price === null ? "Make clip" : `Make clip, ${dollars(price)}`;
}

function rows({ plan }, engine) {
  const sound = { make: "sound made", retain: "sound kept", remove: "silent" }[plan.sound];
  const facts = `${plan.width} × ${plan.height}, ${plan.duration_s} s, ${sound}; takes about ${span(plan.estimated_seconds)}`;
  const bindings = plan.bindings.map((bound) => {
    const images = bound.images.length ? ` ${bound.images.join(", ")}` : "";
    return h("p", {}, `${bound.name} is ${bound.role.replaceAll("_", " ")}${images}`);
  });
  const notes = plan.notes.map((note) => h("p", { class: "note" }, note.charAt(0).toUpperCase() + note.slice(1)));
  const waits = engine && !engine.live && h("p", { class: "warning" }, `No worker runs ${engine.id} now: the clip will wait for one.`);
  return [h("p", { class: "facts" }, facts), ...bindings, ...notes, waits].filter(Boolean);
}
