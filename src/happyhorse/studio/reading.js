// What the server reads from the prompt while it is written: the six parts, the lines to be said, what to mend.

import { post } from "/studio/api.js";
import { $, announce, capital, h, LANGUAGES, plural } from "/studio/dom.js";

const PARTS = ["subject", "action", "environment", "style", "camera", "audio"];
// What one press adds for a part that the prompt leaves open: [on the button, at the end of the prompt].
const ADDITIONS = {
  camera_open: [["Push-in", "Slow push-in."], ["Still", "Locked-off medium shot."]],
  style_open: [["Illustration", "Warm flat illustration."]],
  time_open: [["Golden hour", "Golden hour."], ["Night", "At night."]],
  no_audio: [["Rain", "Audio: soft rain."], ["Café", "Audio: quiet café chatter."]],
};
let newest = 0;

/** Read a prompt and show it; an answer that comes after a newer question is dropped. */
export async function read(prompt, { mode, duration, references }, act) {
  const mine = (newest += 1);
  if (!prompt.trim()) {
    show(null, act);
    return;
  }
  const found = await post("/v1/prompts", { prompt: prompt.slice(0, 20_000), mode, duration, references }).catch(() => null);
  if (mine === newest && found) show(found, act);
}

/** `act`: add(text) puts text at the end of the prompt, last(seconds) sets the length. */
export function show(found, act) {
  const parts = found?.parts ?? {};
  $("parts").replaceChildren(...PARTS.map((name) => {
    const there = name in parts;
    const label = `${name}: ${there ? parts[name] : "not named"}`;
    return h("li", { class: `${name}${there ? " there" : ""}`, title: label, ariaLabel: label }, name);
  }));
  const wrong = found?.findings.filter((finding) => finding.severity !== "info") ?? [];
  $("reading").replaceChildren(...(found ? [...lines(found), ...wrong.map((finding) => row(finding, found, act)), hints(found, act)] : []));
  announce(wrong.map((finding) => capital(finding.message)).join(". "));
}

function lines(found) {
  return found.lines.map((line) => h("p", {}, "Says ", h("q", {}, line.text), ` in ${LANGUAGES[line.language]}, ${line.seconds.toFixed(1)} s`));
}

/** What could be said more clearly waits under one line, so that it is not in the way of writing. */
function hints(found, act) {
  const open = found.findings.filter((finding) => finding.severity === "info");
  const size = `${plural(found.num_words, "word")}, ${LANGUAGES[found.language]}${found.is_edit ? ", an edit" : ""}`;
  if (!open.length) return h("p", { class: "quiet" }, size);
  const shown = document.querySelector("#hints")?.open ?? false;
  return h("details", { id: "hints", open: shown },
    h("summary", { class: "quiet" }, `${size}; ${plural(open.length, "suggestion")}`),
    open.map((finding) => row(finding, found, act)));
}

function row(finding, found, act) {
  const pressed = (text, run) => {
    const button = h("button", { type: "button", class: "small" }, text);
    button.addEventListener("click", run);
    return button;
  };
  const mends = (ADDITIONS[finding.code] ?? []).map(([name, text]) => pressed(`+ ${name}`, () => act.add(text)));
  const needed = Math.ceil(found.lines.reduce((sum, line) => sum + line.seconds, 0));
  if (finding.code === "line_too_long" && needed <= $("duration").max) mends.push(pressed(`Make it ${needed} s long`, () => act.last(needed)));
  const fix = h("span", { class: "fix" }, capital(finding.fix));
  return h("div", { class: `finding ${finding.severity}` }, capital(finding.message), fix,
    mends.length > 0 && h("span", { class: "mends" }, mends));
}
