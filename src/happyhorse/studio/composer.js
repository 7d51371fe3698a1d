// The form: its controls as fields of a request, and a request as controls.

import { $, capital, h, LANGUAGES } from "/studio/dom.js";
import { Inputs } from "/studio/inputs.js";

const RATIOS = ["16:9", "4:3", "1:1", "3:4", "9:16", "4:5", "5:4", "9:21", "21:9"];
const SHAPE_PX = 22;
const TAKES = { i2v: "a picture as first frame", r2v: "reference pictures", edit: "a video to edit" };
const FLAGS = ["no_audio", "watermark", "draft"];

export class Composer {
  #models = [];
  #offered = null;

  constructor(onChange) {
    this.inputs = new Inputs(() => this.#changed(onChange), (name) => this.#insert(name));
    $("ratios").append(choice("ratio", "", "as is"), ...RATIOS.map(ratioChoice));
    $("composer").addEventListener("input", () => this.#changed(onChange));
    $("composer").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.repeat) $("composer").requestSubmit();
    });
  }

  /** Offer the server's engines; the one that was chosen stays so. */
  offer(models) {
    const before = $("engine").value;
    this.#models = models;
    const shown = models.map((model) => h("option", { value: model.id, selected: before ? model.id === before : model.default },
      model.live ? model.id : `${model.id} (no worker now)`));
    $("engine").replaceChildren(...shown);
    this.#offerOfEngine();
  }

  get engine() {
    return this.#models.find((model) => model.id === $("engine").value);
  }

  /** Whether an engine that this server runs makes clips in this mode. */
  can(mode) {
    return this.#models.some((model) => model.modes.includes(mode));
  }

  get mode() {
    if (this.inputs.has("video")) return "edit";
    if (this.inputs.has("image")) return "i2v";
    return this.inputs.has("references") ? "r2v" : "t2v";
  }

  /** The request as it stands; what is left to the server is left out. */
  get fields() {
    const mode = this.mode;
    const fields = { ...this.inputs.fields, engine: $("engine").value };
    fields.resolution = chosen("resolution");
    if (mode === "edit") fields.audio = $("audio").value;
    else fields.duration = Number($("duration").value);
    if (mode !== "edit") fields[mode === "i2v" ? "reframe" : "ratio"] = chosen("ratio");
    for (const name of ["language", "seed"]) fields[name] = $(name).value.trim();
    for (const name of FLAGS) fields[name] = $(name).checked;
    const said = Object.entries(fields).filter(([, value]) => value !== "" && value !== false && value !== undefined);
    return { prompt: $("prompt").value, ...Object.fromEntries(said) };
  }

  /** Put the request of an earlier clip into the form. */
  fill(request) {
    if (this.#models.some((model) => model.id === request.engine)) $("engine").value = request.engine;
    this.#offerOfEngine();
    $("prompt").value = request.prompt ?? "";
    $("duration").value = request.duration ?? 5;
    for (const name of ["language", "seed", "audio"]) $(name).value = request[name] ?? "";
    for (const name of FLAGS) $(name).checked = Boolean(request[name]);
    const single = ["image", "video", "voice"].filter((role) => request[role]).map((role) => [role, request[role].file_id]);
    const references = (request.references ?? []).map((reference) => ["references", reference.file_id]);
    this.inputs.restore([...single, ...references].filter(([, id]) => id));
    choose("resolution", request.resolution ?? "720P");
    choose("ratio", request.ratio ?? request.reframe ?? (request.image ? "" : "16:9"));
  }

  /** Put a sentence at the end of the prompt. */
  add(sentence) {
    const text = $("prompt").value.trimEnd();
    $("prompt").value = `${text}${/[\p{L}\p{N}]$/u.test(text) ? "." : ""} ${sentence}`;
    this.#typed();
  }

  /** Set the length of the clip, in seconds. */
  last(seconds) {
    $("duration").value = seconds;
    this.#typed();
  }

  /** Put a word into the prompt where the caret is. */
  #insert(word) {
    const box = $("prompt");
    const [before, after] = [box.value.slice(0, box.selectionStart), box.value.slice(box.selectionEnd)];
    box.setRangeText(`${/\S$/.test(before) ? " " : ""}${word}${/^[\p{L}\p{N}]/u.test(after) ? " " : ""}`, box.selectionStart, box.selectionEnd, "end");
    this.#typed();
  }

  #typed() {
    $("prompt").dispatchEvent(new Event("input", { bubbles: true }));
    $("prompt").focus();
  }

  #offerOfEngine() {
    const model = this.engine;
    if (!model || model.id === this.#offered) return;
    this.#offered = model.id;
    const before = chosen("resolution") ?? (model.resolutions.includes("720P") ? "720P" : model.resolutions[0]);
    $("resolutions").replaceChildren(...model.resolutions.map((name) => choice("resolution", name, name)));
    choose("resolution", before);
    const takes = Object.keys(TAKES).filter((mode) => model.modes.includes(mode)).map((mode) => TAKES[mode]);
    $("takes").textContent = takes.length ? `${capital(takes.join(", "))}. Drop or paste works too.` : `${model.id} makes clips from words alone.`;
    const language = $("language").value;
    const languages = model.languages.map((code) => h("option", { value: code }, LANGUAGES[code] ?? code));
    $("language").replaceChildren(h("option", { value: "" }, "As written"), ...languages);
    $("language").value = model.languages.includes(language) ? language : "";
  }

  /** A first frame may keep its shape; everything else has one of the nine. */
  #offerUncropped(offered) {
    const uncropped = $("ratios").firstChild;
    if (uncropped.hidden === offered) choose("ratio", offered ? "" : chosen("ratio") || "16:9");
    uncropped.hidden = !offered;
  }

  #changed(onChange) {
    this.#offerOfEngine();
    const mode = this.mode;
    $("duration-field").hidden = mode === "edit";
    $("ratio-field").hidden = mode === "edit";
    $("audio-field").hidden = mode !== "edit";
    $("ratio-legend").textContent = mode === "i2v" ? "Crop the picture to" : "Aspect ratio";
    $("duration-shown").textContent = `${$("duration").value} s`;
    $("duration").ariaValueText = `${$("duration").value} seconds`;
    this.#offerUncropped(mode === "i2v");
    onChange();
  }
}

function choice(group, value, text, before = null) {
  return h("label", { class: "choice" }, h("input", { type: "radio", name: group, value }), before, h("span", {}, text));
}

function ratioChoice(ratio) {
  const [width, height] = ratio.split(":").map(Number);
  const shape = h("span", { class: "shape", ariaHidden: "true" });
  const scale = SHAPE_PX / Math.sqrt(width * height);
  shape.style.width = `${Math.min(30, width * scale)}px`;
  shape.style.aspectRatio = `${width} / ${height}`;
  return choice("ratio", ratio, ratio, shape);
}

const chosen = (group) => document.querySelector(`input[name="${group}"]:checked`)?.value;

function choose(group, value) {
  for (const input of document.querySelectorAll(`input[name="${group}"]`)) input.checked = input.value === value;
}
