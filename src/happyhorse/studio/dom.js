// Building elements. Text is only ever set as text, so nothing a user or a server says becomes markup.

export const $ = (id) => document.getElementById(id);

/** An element with properties (`class`, `on...`, anything else as property or attribute) and children (nodes or text). */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The sign of the house as a gauge: its line is drawn as far as the property --percent says. */
export function horseshoe() {
  const gauge = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  gauge.setAttribute("viewBox", "0 0 32 32");
  gauge.setAttribute("class", "horseshoe");
  gauge.setAttribute("aria-hidden", "true");
  for (const part of ["track", "done"]) {
    const line = document.createElementNS(gauge.namespaceURI, "path");
    line.setAttribute("d", "M10 28C3 18 4 4 16 4s13 14 6 24");
    line.setAttribute("class", part);
    line.setAttribute("pathLength", "100");
    gauge.append(line);
  }
  return gauge;
}

/** Calls `run` once things have been quiet for `ms`; the newest arguments count. */
export function debounced(run, ms) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...given), ms);
  };
}

/** Have a screen reader say this once what it says now is over; what was said last is not said again. */
export function announce(text) {
  if ($("spoken").textContent !== text) $("spoken").textContent = text;
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

export const dollars = (usd) => `$${usd.toFixed(usd < 10 ? 2 : 1)}`;

export function span(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return `${Math.round(seconds / 60)} min`;
}

export const LANGUAGES = {
  en: "English", zh: "Mandarin", yue: "Cantonese", ja: "Japanese", ko: "Korean", de: "German", fr: "French",
};
