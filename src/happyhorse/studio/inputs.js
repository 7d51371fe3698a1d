// The files of a request: taken by button, drop or paste, uploaded at once, each with what it is for.

import { get, request, upload } from "/studio/api.js";
import { $, announce, h } from "/studio/dom.js";

const ROLES = { image: ["image", "references"], video: ["video"], audio: ["voice"] };
const ROLE_NAMES = { image: "First frame", references: "Reference", video: "Video to edit", voice: "Voice to follow" };

export class Inputs {
  #entries = [];
  #onChange;
  #onName;

  /** `onName` takes the name by which the prompt can speak of a reference. */
  constructor(onChange, onName) {
    this.#onChange = onChange;
    this.#onName = onName;
    $("choose").addEventListener("click", () => $("files").click());
    $("files").addEventListener("change", (event) => {
      this.add([...event.target.files]);
      event.target.value = "";
    });
    this.#takeDrops();
    document.addEventListener("paste", (event) => {
      const files = [...event.clipboardData.files];
      if (files.length) event.preventDefault();
      this.add(files);
    });
  }

  #takeDrops() {
    const area = document.body;
    const over = (shown) => $("drop").classList.toggle("over", shown);
    area.addEventListener("dragover", (event) => {
      event.preventDefault();
      over(true);
    });
    area.addEventListener("dragleave", (event) => { if (!event.relatedTarget) over(false); });
    area.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      this.add([...event.dataTransfer.files]);
    });
  }

  /** The inputs as fields of a request; those that are not uploaded yet are left out. */
  get fields() {
    const found = {};
    for (const { role, id } of this.#entries.filter((entry) => entry.id)) {
      if (role === "references") found.references = [...(found.references ?? []), id];
      else found[role] = id;
    }
    return found;
  }

  /** Resolves when every file is uploaded or refused. */
  async settled() {
    await Promise.all(this.#entries.map((entry) => entry.uploading));
  }

  get hasRefused() {
    return this.#entries.some((entry) => entry.problem);
  }

  has(role) {
    return this.#entries.some((entry) => entry.role === role && !entry.problem);
  }

  add(files) {
    for (const file of files) this.#take(file, file.name || "pasted file", this.#kindOf(file));
    if (files.length) this.#changed();
  }

  /** Take a picture or clip for one purpose, in place of all others. */
  async replaceWith(role, blob, name) {
    this.clear();
    this.#take(blob, name, role === "video" ? "video" : "image", role);
    this.#changed();
  }

  /** Take files that the server has already: [[role, file id], ...]. */
  async restore(given) {
    this.clear();
    for (const [role, id] of given) {
      const entry = { role, kind: role === "voice" ? "audio" : role === "video" ? "video" : "image", name: id, id };
      this.#entries.push(entry);
      this.#load(entry);
    }
    this.#changed();
  }

  clear() {
    for (const entry of this.#entries) this.#forget(entry);
    this.#changed();
  }

  #kindOf(file) {
    const kind = file.type.split("/")[0];
    return kind in ROLES ? kind : "image";
  }

  #take(blob, name, kind, role) {
    const entry = { kind, role: role ?? this.#roleFor(kind), name, url: URL.createObjectURL(blob) };
    this.#entries.push(entry);
    entry.uploading = upload(blob, name)
      .then((stored) => {
        const other = ROLES[stored.kind].includes(entry.role) ? entry.role : this.#roleFor(stored.kind);
        Object.assign(entry, { id: stored.id, kind: stored.kind, role: other });
      })
      .catch((error) => this.#refuse(entry, error))
      .finally(() => this.#changed());
  }

  #refuse(entry, error) {
    entry.problem = error.message.replace(/^file: (?:[0-9a-f]{64} )?/, "");
    announce(`${entry.name} was not taken: ${entry.problem}`);
  }

  /** One picture alone is the first frame; several, or one beside a video, are references. */
  #roleFor(kind) {
    if (kind !== "image") return ROLES[kind][0];
    const pictures = this.#entries.filter((entry) => entry.kind === "image" && !entry.problem);
    if (!pictures.length && !this.has("video")) return "image";
    for (const picture of pictures) picture.role = "references";
    return "references";
  }

  async #load(entry) {
    try {
      const facts = await get(`/v1/files/${entry.id}`);
      entry.name = facts.name;
      entry.url = URL.createObjectURL(await (await request(`/v1/files/${entry.id}/content`)).blob());
    } catch (error) {
      Object.assign(entry, { id: null, problem: error.message });
    }
    this.#changed();
  }

  #forget(entry) {
    if (entry.url) URL.revokeObjectURL(entry.url);
    this.#entries = this.#entries.filter((other) => other !== entry);
  }

  #changed() {
    let references = 0;
    const rows = this.#entries.map((entry) => {
      const isNamed = entry.role === "references" && !entry.problem;
      return this.#row(entry, isNamed ? (references += 1) : 0);
    });
    $("inputs").replaceChildren(...rows);
    this.#onChange();
  }

  #row(entry, number) {
    const remove = h("button", { type: "button", ariaLabel: `Remove ${entry.name}` }, "✕");
    remove.addEventListener("click", () => {
      this.#forget(entry);
      this.#changed();
      $("choose").focus();
    });
    const name = h("span", { class: "name", title: entry.name }, entry.id || entry.problem ? entry.name : `${entry.name}, uploading…`);
    const rest = entry.problem ? [h("span", { class: "problem" }, entry.problem)] : [this.#role(entry, number), this.#mention(number)];
    return h("li", { class: entry.problem ? "failed" : "" }, this.#picture(entry), h("div", {}, name, ...rest), remove);
  }

  #mention(number) {
    if (!number) return null;
    const name = `character${number}`;
    const button = h("button", { type: "button", class: "small", title: "Put this name into the prompt" }, `+ ${name}`);
    button.addEventListener("click", () => this.#onName(name));
    return button;
  }

  #picture(entry) {
    if (entry.problem) return h("span", { class: "sound", ariaHidden: "true" }, "!");
    if (entry.kind === "image" && entry.url) return h("img", { src: entry.url, alt: "" });
    if (entry.kind === "video" && entry.url) return h("video", { src: entry.url, muted: true, playsInline: true, ariaHidden: "true" });
    return h("span", { class: "sound", ariaHidden: "true" }, entry.kind === "audio" ? "♪" : "…");
  }

  #role(entry, number) {
    const shown = (role) => (role === "references" && number ? `${ROLE_NAMES[role]} ${number}` : ROLE_NAMES[role]);
    if (ROLES[entry.kind].length === 1) return h("span", { class: "quiet" }, shown(entry.role));
    const options = ROLES[entry.kind].map((role) => h("option", { value: role, selected: role === entry.role }, shown(role)));
    const select = h("select", { ariaLabel: `What ${entry.name} is for` }, options);
    select.addEventListener("change", () => {
      entry.role = select.value;
      this.#changed();
    });
    return select;
  }
}
