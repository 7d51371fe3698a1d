// The clip in view: waiting, being made, finished or failed, and what can be done with it.

import { ApiError, events, here, isOver, post, remove, request, standing } from "/studio/api.js";
import { $, announce, capital, h, horseshoe, span } from "/studio/dom.js";
import { price } from "/studio/plan.js";

const STAGES = { prepare: "Reading the request", base: "Denoising", refine: "Refining", decode: "Drawing frames", finish: "Writing the file" };
const ASKED_MS = 5000;
const EXAMPLES = [
  'A woman with ginger hair and a green jacket speaks to camera in a café. She says: "Welcome back, nice to meet you."',
  'A man with a beard and a blue jacket speaks to camera on a street at night, slow push-in. He says: "It will be fine."',
  'A girl with black hair and a red jacket speaks to camera on a beach at sunset. She says: "I could stay here."',
];

export class Stage {
  #watching = new AbortController();
  #calls;
  #generation = null;

  /** `calls`: onChange(generation) when it changed, onProgress(generation), onGone(id), onExample(prompt), can(mode),
   *  useFrame(blob), edit(blob), again(request). */
  constructor(calls) {
    this.#calls = calls;
    this.#empty();
  }

  /** Show a generation and follow it until it is over. */
  async show(generation) {
    this.#watching.abort();
    this.#watching = new AbortController();
    const { signal } = this.#watching;
    this.#draw(generation);
    if (isOver(generation.status)) return;
    for await (const event of events(generation.id, signal)) {
      if (signal.aborted) return;
      Object.assign(generation, { status: event.status, progress: { ...generation.progress, ...event } });
      if (isOver(event.status)) break;
      this.#progress(generation);
      this.#calls.onProgress(generation);
    }
    if (signal.aborted) return;
    const last = await standing(generation.id, signal);
    if (!last || signal.aborted) return;
    this.#draw(last);
    announce({ succeeded: "The clip is ready.", failed: "The clip failed.", canceled: "The clip was canceled." }[last.status]);
    this.#calls.onChange(last);
  }

  #empty() {
    this.#generation = null;
    const examples = EXAMPLES.map((text) => {
      const [scene, line] = text.split(/(?=".+"$)/);
      const button = h("button", { type: "button" }, scene, h("q", {}, line.replaceAll('"', "")));
      button.addEventListener("click", () => this.#calls.onExample(text));
      return button;
    });
    $("stage").replaceChildren(
      h("h2", {}, "Type a scene, get a clip"),
      h("p", { class: "quiet" }, "Picture and sound are made together. Put what is to be said in quotation marks, or try one of these:"),
      h("div", { class: "examples" }, examples),
    );
  }

  #draw(generation) {
    this.#generation = generation;
    const draw = { succeeded: finished, failed: over, canceled: over }[generation.status] ?? running;
    $("stage").replaceChildren(...draw(generation), this.#actions(generation));
    if (!isOver(generation.status)) this.#progress(generation);
  }

  #progress(generation) {
    const bar = $("stage-progress");
    if (!bar || this.#generation?.id !== generation.id) return;
    const { stage, percent = 0, eta_s: eta, step, num_steps: steps, preview } = generation.progress;
    const waiting = generation.status === "queued";
    if (waiting) bar.removeAttribute("value");
    else bar.value = percent;
    document.querySelector("#stage .horseshoe").style.setProperty("--percent", waiting ? 0 : percent);
    const stopping = generation.status === "canceling";
    const name = stopping ? "Stopping" : waiting ? "Waiting for its turn" : STAGES[stage] ?? "Starting";
    const steps_ = !stopping && stage === "base" && steps > 1 ? ` ${step}/${steps}` : "";
    $("stage-state").textContent = `${name}${steps_}${eta && !stopping ? `, ${span(eta)} left` : ""}`;
    announce(name);
    if (preview) showPreview(preview);
  }

  #actions(generation) {
    const act = (text, run, properties = {}) => {
      const button = h("button", { type: "button", ...properties }, text);
      button.addEventListener("click", () => this.#try(button, run));
      return button;
    };
    const again = act("Reuse prompt", () => this.#calls.again(generation.request), { title: "Prompt, settings and files into the form" });
    const forget = this.#asked(act("Delete", () => this.#delete(generation), { class: "danger" }), "Delete for good?");
    const all = {
      succeeded: () => [
        h("a", { href: here(generation.output.url), download: `${generation.id}.mp4` }, "Download"),
        this.#calls.can("i2v") && act("Use this frame", () => this.#useFrame(generation), { title: "The frame in view becomes the first one of the next clip" }),
        this.#calls.can("edit") && act("Edit this clip", () => this.#edit(generation), { title: "Change this clip by an instruction" }),
        again,
        forget,
      ],
      failed: () => [act("Try again", () => this.#retry(generation), { class: "primary" }), again, forget],
      canceled: () => [act("Try again", () => this.#retry(generation)), again, forget],
    }[generation.status] ?? (() => [act("Cancel", () => this.#cancel(generation))]);
    return h("div", {}, h("div", { class: "actions" }, all().filter(Boolean)), h("p", { id: "stage-problem", class: "problem", role: "alert" }));
  }

  /** A button that does its work at the second press; what cannot be undone is not done by a slip. */
  #asked(button, question) {
    const text = button.textContent;
    const calm = () => { button.textContent = text; };
    button.addEventListener("click", (event) => {
      if (button.textContent === question) return;
      event.stopImmediatePropagation();
      button.textContent = question;
      setTimeout(calm, ASKED_MS);
      announce(question);
    }, { capture: true });
    button.addEventListener("blur", calm);
    return button;
  }

  async #try(button, run) {
    const held = document.activeElement === button;
    button.disabled = true;
    $("stage-problem").textContent = "";
    try {
      await run();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const text = error.status === 404 ? "This clip is no longer there." : error.message;
      if ($("stage-problem")) $("stage-problem").textContent = text;
    } finally {
      button.disabled = false;
      if (held && document.activeElement === document.body) (button.isConnected ? button : $("stage")).focus({ preventScroll: true });
    }
  }

  async #useFrame({ id, output }) {
    const shown = document.querySelector("#stage video").currentTime;
    const number = Math.min(output.num_frames - 1, Math.floor(shown * output.fps + 0.001));
    const response = await request(`/v1/generations/${id}/frames/${number}`);
    this.#calls.useFrame(await response.blob(), `frame ${number}.png`);
  }

  async #edit({ id, output }) {
    const response = await request(here(output.url));
    this.#calls.edit(await response.blob(), `${id}.mp4`);
  }

  async #cancel({ id }) {
    this.#changed(await post(`/v1/generations/${id}/cancel`));
  }

  async #retry({ id }) {
    this.#changed(await post(`/v1/generations/${id}/retry`));
  }

  async #delete({ id }) {
    await remove(`/v1/generations/${id}`).catch((error) => {
      if (error.status !== 404) throw error; // someone was faster
    });
    this.#watching.abort();
    this.#empty();
    this.#calls.onGone(id);
    $("stage").focus();
  }

  #changed(generation) {
    this.#calls.onChange(generation);
    this.show(generation);
  }
}

function screen(generation, ...content) {
  const box = h("div", { class: "screen" }, content);
  const { width, height } = generation.output ?? { width: 16, height: 9 };
  box.style.aspectRatio = `${width} / ${height}`;
  return box;
}

function running(generation) {
  return [
    screen(generation, h("div", { class: "wait" }, horseshoe(), h("span", { id: "stage-state" }, "Starting"))),
    h("progress", { id: "stage-progress", max: 100, ariaLabel: "Progress" }),
    said(generation),
  ];
}

function showPreview(url) {
  const box = document.querySelector("#stage .screen");
  const picture = box.querySelector("img") ?? h("img", { class: "preview", alt: "Preview" });
  picture.src = url;
  box.prepend(picture);
}

function finished(generation) {
  const { output } = generation;
  const player = h("video", {
    src: here(output.url), poster: here(output.thumbnail_url), controls: true, loop: true, playsInline: true, preload: "metadata",
    ariaLabel: generation.request.prompt || "The clip",
  });
  const facts = [
    `${output.width} × ${output.height}`, `${output.duration_s} s`, `seed ${output.seed}`,
    `engine ${output.engine}`, `${(output.size_bytes / 1e6).toFixed(1)} MB`, price(generation.cost_usd, output.engine),
  ];
  const notes = output.notes.map((note) => h("li", {}, capital(note)));
  return [screen(generation, player), said(generation), h("ul", { class: "facts-list", ariaLabel: "Facts" }, facts.map((fact) => h("li", {}, fact))),
    h("ul", { class: "notes", ariaLabel: "Notes" }, notes)];
}

function over(generation) {
  const failed = generation.status === "failed";
  const text = failed ? `It failed: ${generation.error.message}` : "It was canceled and costs nothing.";
  return [h("p", { class: `ended ${generation.status}` }, text), said(generation)];
}

const said = (generation) => h("p", { class: "said" }, generation.request.prompt || "No prompt: the picture alone decides.");
