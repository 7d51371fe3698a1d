// What the server reads from the prompt while it is written: the six parts, the lines to be said, what to mend.

import { post } from "/studio/api.js";
import { $, h, LANGUAGES, plural } from "/studio/dom.js";

const PARTS = ["subject", "action", "environment", "style", "camera", "audio"];
let newest = 0;

/** Read a prompt and show it; an answer that comes after a newer question is dropped. */
export async function read(prompt, { mode, duration, references }) {
  const mine = (newest += 1);
  if (!prompt.trim()) {
    show(null);
    return;
  }
  const found = await post("/v1/prompts", { prompt: prompt.slice(0, 20_000), mode, duration, references }).catch(() => null);
  if (mine === newest && found) show(found);
}

export function show(found) {
  const parts = found?.parts ?? {};
  $("parts").replaceChildren(...PARTS.map((name) => {
    const there = name in parts;
    const label = `${name}: ${there ? parts[name] : "not named"}`;
    return h("li", { class: `${name}${there ? " there" : ""}`, title: label, ariaLabel: label }, name);
  }));
  $("reading").replaceChildren(...(found ? [...lines(found), ...findings(found), h("p", { class: "quiet" }, size(found))] : []));
}

function lines(found) {
  return found.lines.map((line) => h("p", {}, "Says ", h("q", {}, line.text), ` in ${LANGUAGES[line.language]}, ${line.seconds.toFixed(1)} s`));
}

function findings(found) {
  return found.findings.map((finding) => h("p", { class: `finding ${finding.severity}` },
    capital(finding.message), h("span", { class: "fix" }, capital(finding.fix))));
}

const size = (found) => `${plural(found.num_words, "word")}, ${LANGUAGES[found.language]}${found.is_edit ? ", an edit" : ""}`;

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
