// The server's /v1, with the key if it wants one. Every failure is an ApiError with the server's own sentence.

const KEY = "happyhorse.key";
let asking = null;
let reached = true;

/** Says "change" when the server can no longer be reached, and when it can be again. */
export const connection = new EventTarget();

export const isReached = () => reached;

function noteReached(now) {
  if (now === reached) return;
  reached = now;
  connection.dispatchEvent(new Event("change"));
}

export class ApiError extends Error {
  constructor(detail, { status = 0, code = "network", field = null } = {}) {
    super(detail);
    Object.assign(this, { status, code, field });
  }
}

export const hasKey = () => localStorage.getItem(KEY) !== null;
export const forgetKey = () => localStorage.removeItem(KEY);

let askForKey = async () => null;
/** Who asks the user for a key: a function from the server's reason to the key. */
export const onKeyNeeded = (ask) => { askForKey = ask; };

async function send(path, options) {
  const headers = new Headers(options.headers);
  const key = localStorage.getItem(KEY);
  if (key) headers.set("Authorization", `Bearer ${key}`);
  try {
    const response = await fetch(path, { ...options, headers });
    noteReached(true);
    return response;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    noteReached(false);
    throw new ApiError("The server cannot be reached.");
  }
}

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  return new ApiError(body.detail || `The server answered ${response.status}.`, { ...body, status: response.status });
}

/** The response of a request; asks for a key and tries again when the server wants one. */
export async function request(path, options = {}) {
  const response = await send(path, options);
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (response.status !== 401) throw problem;
  asking ??= askForKey(problem.message).finally(() => { asking = null; });
  const key = await asking;
  if (!key) throw problem;
  localStorage.setItem(KEY, key);
  return request(path, options);
}

export async function get(path, options = {}) {
  return (await request(path, options)).json();
}

export async function post(path, body, options = {}) {
  const headers = { "Content-Type": "application/json", ...options.headers };
  return (await request(path, { ...options, method: "POST", headers, body: JSON.stringify(body ?? {}) })).json();
}

export async function remove(path) {
  await request(path, { method: "DELETE" });
}

export async function upload(file, name) {
  const form = new FormData();
  form.append("file", file, name);
  return (await request("/v1/files", { method: "POST", body: form })).json();
}

/** A link of an answer as this page can load it, whatever name the server knows itself by. */
export function here(url) {
  const parsed = new URL(url, location.href);
  return parsed.pathname + parsed.search;
}

export const isOver = (status) => ["succeeded", "failed", "canceled"].includes(status);

/** Events of a generation from the first one on, until it is over; a lost connection is taken up where it broke. */
export async function* events(id, signal) {
  for (let last = 0, over = false; !over;) {
    const headers = last ? { "Last-Event-ID": String(last) } : {};
    const response = await patiently(`/v1/generations/${id}/events`, { headers, signal });
    if (!response) return;
    try {
      for await (const event of parsed(response.body)) {
        last = event.number;
        over = isOver(event.status);
        yield event;
      }
    } catch (error) {
      if (signal.aborted) return;
    }
    if (!over) await pause(0);
  }
}

/** A generation as it stands; null if the server refuses or nobody waits any more. */
export async function standing(id, signal) {
  const response = await patiently(`/v1/generations/${id}`, { signal });
  return response && response.json();
}

/** A response, however long the server cannot be reached; null if it refuses or nobody waits any more. */
async function patiently(path, options) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await request(path, options);
    } catch (error) {
      if (options.signal.aborted || (error.status >= 400 && error.status < 500)) return null;
    }
    await pause(tries);
  }
}

/** Wait before another try, longer each time; not longer than until the server answers someone. */
function pause(tries) {
  return new Promise((resolve) => {
    setTimeout(resolve, Math.min(10_000, 250 * 2 ** tries));
    connection.addEventListener("change", resolve, { once: true });
  });
}

async function* parsed(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
      if (data) yield JSON.parse(data);
    }
  }
}
