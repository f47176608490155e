// An image as it travelled: its symbols as a strip, below zero blue, above amber; and its picture
// where the bundle can draw one. What is on the screen is asked for, many at once.
import { get } from "./dom.js";

const MAX_KEYS = 100, PAUSE_MS = 400, KEPT = 4000;
const kept = new Map();
const wanted = new Map();
let timer;

export async function latentsOf(keys) {
  const missing = keys.filter((key) => !kept.has(key));
  for (let start = 0; start < missing.length; start += MAX_KEYS) {
    const found = await get("/api/1/latents", { of: missing.slice(start, start + MAX_KEYS).join(",") });
    for (const [key, latent] of Object.entries(found)) keep(key, latent);
  }
  return new Map(keys.filter((key) => kept.has(key)).map((key) => [key, kept.get(key)]));
}

function keep(key, latent) {
  kept.set(key, latent);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
}

// Draws it into that holder's canvases soon; a later wish of the same holder takes its place.
export function wish(holder, key, isNew = false) {
  if (isNew) kept.delete(key);
  if (!isNew && kept.has(key)) draw(holder, kept.get(key));
  else wanted.set(holder, key);
  if (wanted.size && !timer) timer = setTimeout(fetchWanted, PAUSE_MS);
}

async function fetchWanted() {
  const now = [...wanted].slice(0, MAX_KEYS);
  for (const [holder] of now) wanted.delete(holder);
  try {
    const found = await latentsOf([...new Set(now.map(([, key]) => key))]);
    for (const [holder, key] of now) if (found.has(key)) draw(holder, found.get(key));
  } catch {
    // the page says by itself when the host is away
  }
  timer = wanted.size ? setTimeout(fetchWanted, PAUSE_MS) : undefined;
}

export function draw(holder, latent) {
  const strip = holder.querySelector(".strip"), picture = holder.querySelector("canvas.pic");
  if (strip) drawStrip(strip, latent);
  if (picture && latent.picture) {
    drawPicture(picture, latent.picture);
    holder.classList.add("drawn");
  }
}

// Fields of a gradient: a canvas of its own for each of a thousand tiles costs a browser dearly.
function drawStrip(strip, { symbols, known }) {
  const wide = 100 / symbols.length;
  const fields = symbols.map((symbol, index) => `${index < known ? colour(symbol) : "transparent"} ${index * wide}% ${(index + 1) * wide}%`);
  strip.style.backgroundImage = `linear-gradient(90deg, ${fields.join(", ")})`;
}

const STEPS = 6;
let scale;

export function colour(symbol) {
  scale ??= makeScale();
  const step = Math.min(STEPS, Math.ceil(STEPS * (1 - Math.exp(-Math.abs(symbol) / 3))));
  return scale[symbol < 0 ? 0 : 1][step];
}

function makeScale() {
  const style = getComputedStyle(document.documentElement);
  const [zero, minus, plus] = ["--zero", "--minus", "--plus"].map((name) => rgb(style.getPropertyValue(name).trim()));
  return [minus, plus].map((end) =>
    Array.from({ length: STEPS + 1 }, (_, step) => `rgb(${zero.map((z, i) => Math.round(z + ((end[i] - z) * step) / STEPS)).join(" ")})`));
}

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (scale = undefined));

function drawPicture(canvas, { pixels, shape: [height, width, channels] }) {
  const bytes = Uint8Array.from(atob(pixels), (letter) => letter.charCodeAt(0));
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = bytes[channels === 1 ? i : 3 * i + c];
    image.data[4 * i + 3] = 255;
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}
