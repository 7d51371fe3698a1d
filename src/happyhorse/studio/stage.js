// The clip in view: waiting, being made, finished or failed, and what can be done with it.

import { ApiError, events, here, isOver, post, remove, request, standing } from "/studio/api.js";
import { $, dollars, h, span } from "/studio/dom.js";

const STAGES = { prepare: "Reading the request", base: "Denoising", refine: "Refining", decode: "Drawing frames", finish: "Writing the file" };
const EXAMPLES = [
  'A woman with ginger hair and a green jacket speaks to camera in a café. She says: "Welcome back, nice to meet you."',
  'A man with a beard and a blue jacket speaks to camera on a street at night, slow push-in. He says: "It will be fine."',
  'A girl with black hair and a red jacket speaks to camera on a beach at sunset. She says: "I could stay here."',
];

export class Stage {
  #watching = new AbortController();
  #calls;
  #generation = null;

  /** `calls`: onChange(generation) when it changed, onGone(id), onExample(prompt), useFrame(blob), edit(blob), again(request). */
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
    }
    if (signal.aborted) return;
    const last = await standing(generation.id, signal);
    if (!last || signal.aborted) return;
    this.#draw(last);
    this.#calls.onChange(last);
  }

  #empty() {
    this.#generation = null;
    const examples = EXAMPLES.map((text) => {
      const button = h("button", { type: "button" }, text);
      button.addEventListener("click", () => this.#calls.onExample(text));
      return button;
    });
    $("stage").replaceChildren(
      h("h2", {}, "Type a scene, get a clip"),
      h("p", { class: "quiet" }, "Picture and sound are made together. Put what is to be said in quotation marks. Or start from one of these:"),
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
    const name = generation.status === "canceling" ? "Stopping" : waiting ? "Waiting for its turn" : STAGES[stage] ?? "Starting";
    const steps_ = stage === "base" && steps > 1 ? ` ${step}/${steps}` : "";
    $("stage-state").textContent = `${name}${steps_}${eta ? `, ${span(eta)} left` : ""}`;
    if (preview) showPreview(preview);
  }

  #actions(generation) {
    const act = (text, run, properties = {}) => {
      const button = h("button", { type: "button", ...properties }, text);
      button.addEventListener("click", () => this.#try(button, run));
      return button;
    };
    const again = act("Start from this", () => this.#calls.again(generation.request));
    const forget = act("Delete", () => this.#delete(generation), { class: "danger" });
    const all = {
      succeeded: () => [
        act("Use this frame", () => this.#useFrame(generation)),
        act("Edit this clip", () => this.#edit(generation)),
        again,
        h("a", { href: here(generation.output.url), download: `${generation.id}.mp4` }, "Download"),
        forget,
      ],
      failed: () => [act("Try again", () => this.#retry(generation), { class: "primary" }), again, forget],
      canceled: () => [act("Try again", () => this.#retry(generation)), again, forget],
    }[generation.status] ?? (() => [act("Cancel", () => this.#cancel(generation))]);
    return h("div", {}, h("div", { class: "actions" }, all()), h("p", { id: "stage-problem", class: "problem", role: "alert" }));
  }

  async #try(button, run) {
    button.disabled = true;
    $("stage-problem").textContent = "";
    try {
      await run();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if ($("stage-problem")) $("stage-problem").textContent = error.message;
    } finally {
      button.disabled = false;
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
    await remove(`/v1/generations/${id}`);
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
    screen(generation, h("div", { class: "wait" }, h("span", { id: "stage-state", role: "status" }, "Starting"))),
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
    `engine ${output.engine}`, `${(output.size_bytes / 1e6).toFixed(1)} MB`, dollars(generation.cost_usd),
  ];
  const notes = output.notes.map((note) => h("li", {}, note.charAt(0).toUpperCase() + note.slice(1)));
  return [screen(generation, player), said(generation), h("ul", { class: "facts-list", ariaLabel: "Facts" }, facts.map((fact) => h("li", {}, fact))),
    h("ul", { class: "notes", ariaLabel: "Notes" }, notes)];
}

function over(generation) {
  const text = generation.status === "failed" ? `It failed: ${generation.error.message}` : "It was canceled and costs nothing.";
  return [screen(generation, h("div", { class: "wait" }, text)), said(generation)];
}

const said = (generation) => h("p", { class: "said" }, generation.request.prompt || "No prompt: the picture alone decides.");
