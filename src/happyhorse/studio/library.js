// All clips, newest first. Those that are not over are asked for again until they are.

import { get, here, isOver } from "/studio/api.js";
import { $, h } from "/studio/dom.js";

const PAGE = 24;
const ASK_MS = 2000;
const NONE = { "": "Clips that you make are kept here.", succeeded: "No finished clips.", running: "Nothing is being made.", queued: "Nothing waits.", failed: "Nothing failed.", canceled: "Nothing was canceled." };
const STATES = { queued: "waiting", running: "being made", canceling: "stopping", failed: "failed", canceled: "canceled" };

export class Library {
  #clips = [];
  #cursor = null;
  #onPick;
  #current = null;
  #timer = null;

  constructor(onPick) {
    this.#onPick = onPick;
    $("more").addEventListener("click", () => this.#load(this.#cursor));
    $("filter").addEventListener("change", () => this.reload());
  }

  find(id) {
    return this.#clips.find((clip) => clip.id === id);
  }

  async reload() {
    this.#clips = [];
    await this.#load(null);
  }

  /** Take up what happened elsewhere: in another tab, by another program. */
  async refresh() {
    const { data, next_cursor: cursor } = await get(`/v1/generations?${this.#query()}`);
    const older = cursor ? this.#clips.filter((clip) => clip.created_at < data.at(-1).created_at) : [];
    const newest = data.map((clip) => Object.assign(this.find(clip.id) ?? {}, clip));
    if (!older.length) this.#cursor = cursor;
    this.#clips = [...newest, ...older];
    this.#draw();
  }

  /** Show how far a clip is that is followed elsewhere on the page. */
  progress({ id, status, progress }) {
    const bar = document.querySelector(`#library button[data-id="${id}"] progress`);
    if (bar) bar.value = progress.percent;
    const meta = document.querySelector(`#library button[data-id="${id}"] .meta`);
    if (meta && this.find(id)) meta.textContent = facts({ ...this.find(id), status });
  }

  /** Put in a clip that is new, or replace it by what it is now. */
  put(generation) {
    const known = this.#clips.findIndex((clip) => clip.id === generation.id);
    if (known >= 0) this.#clips[known] = generation;
    else this.#clips.unshift(generation);
    this.#draw();
  }

  drop(id) {
    this.#clips = this.#clips.filter((clip) => clip.id !== id);
    this.#draw();
  }

  mark(id) {
    this.#current = id;
    this.#draw();
  }

  async #load(cursor) {
    const page = await get(`/v1/generations?${this.#query(cursor)}`);
    const known = new Set(this.#clips.map((clip) => clip.id));
    this.#clips.push(...page.data.filter((clip) => !known.has(clip.id)));
    this.#cursor = page.next_cursor;
    this.#draw();
  }

  #query(cursor) {
    const query = new URLSearchParams({ limit: PAGE });
    if (cursor) query.set("cursor", cursor);
    if ($("filter").value) query.set("status", $("filter").value);
    return query;
  }

  #draw() {
    const held = document.activeElement?.closest("#library button")?.dataset.id;
    $("library").replaceChildren(...this.#clips.map((clip) => this.#card(clip)));
    if (held) document.querySelector(`#library button[data-id="${held}"]`)?.focus({ preventScroll: true });
    $("library-state").textContent = this.#clips.length ? "" : NONE[$("filter").value];
    $("more").hidden = !this.#cursor;
    this.#askAgain();
  }

  #card(clip) {
    const text = clip.request.prompt || "(a picture alone)";
    const button = h("button", { type: "button", ariaLabel: `${text}, ${clip.output ? "" : `${STATES[clip.status]}, `}${when(clip)}` },
      h("span", { class: "thumb" }, thumb(clip)),
      h("span", { class: "text" }, text),
      h("span", { class: `meta ${clip.status}` }, facts(clip)));
    button.dataset.id = clip.id;
    if (clip.id === this.#current) button.ariaCurrent = "true";
    button.addEventListener("click", () => this.#onPick(clip));
    return h("li", {}, button);
  }

  /** One timer, while something is not over and is not followed on the stage. */
  #askAgain() {
    const open = this.#clips.filter((clip) => !isOver(clip.status) && clip.id !== this.#current);
    if (!open.length || this.#timer) return;
    this.#timer = setTimeout(async () => {
      this.#timer = null;
      const news = await Promise.all(open.map((clip) => get(`/v1/generations/${clip.id}`).catch(() => clip)));
      for (const clip of news) if (this.find(clip.id)) Object.assign(this.find(clip.id), clip);
      this.#draw();
    }, ASK_MS);
  }
}

const facts = (clip) => `${clip.output ? `${clip.output.duration_s} s, ${clip.output.engine}` : STATES[clip.status]}, ${when(clip)}`;

function thumb(clip) {
  if (clip.output) return h("img", { src: here(clip.output.thumbnail_url), alt: "", loading: "lazy" });
  if (isOver(clip.status)) return STATES[clip.status];
  return h("progress", { max: 100, value: clip.progress.percent, ariaLabel: STATES[clip.status] });
}

function when(clip) {
  const at = new Date(clip.created_at);
  const today = at.toDateString() === new Date().toDateString();
  return today ? at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : at.toLocaleDateString();
}
