// Small helpers for elements, canvases and colours.
export const $ = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

export function vector(tag, attributes = {}, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

export const say = (element, text) => { if (element.textContent !== text) element.textContent = text; };

// What this browser remembers; one that keeps nothing (blocked, full) is no reason to stand still.
export function kept(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}
export function keep(name, value) {
  try { localStorage.setItem(name, value); } catch { /* then for this visit only */ }
}

// A canvas as sharp as the screen; returns its context and size in CSS pixels.
export function brush(canvas) {
  const scale = Math.min(devicePixelRatio || 1, 2);
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

let known = {}, theme = "";
export function colour(name) {
  if (theme !== document.documentElement.dataset.theme) { theme = document.documentElement.dataset.theme; known = {}; }
  return (known[name] ??= getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
}

export const hue = (feature) => {
  const band = feature.split(".")[0];
  return ["delta", "theta", "alpha", "beta", "gamma"].includes(band) ? band : "other";
};

export function amount(value, unit = "") {
  const size = Math.abs(value);
  const text = size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(2);
  return unit ? `${text} ${unit}` : text;
}

export function duration(seconds) {
  const s = Math.floor(seconds), pad = (n) => String(n).padStart(2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}` : `${Math.floor(s / 60)}:${pad(s % 60)}`;
}
