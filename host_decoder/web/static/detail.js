// One image: as it came, chunk by chunk, and what was thought of it each time.
import { get, h } from "./dom.js";
import { colour, draw, latentsOf } from "./strip.js";
import { hue, moment, percent } from "./words.js";

const SHOWN_CLASSES = 8;

export async function detail(key) {
  const [image, latents] = await Promise.all([get(`/api/1/images/${encodeURIComponent(key)}`), latentsOf([key])]);
  const newest = image.revisions.at(-1);
  const latent = latents.get(key);
  const big = h("div", { class: "big" }, h("canvas", { class: "pic", width: 1, height: 1, hidden: !latent?.picture, role: "img", "aria-label": "The picture that the bundle draws of it" }),
    h("div", {}, h("p", { class: "word" }, newest?.label ?? "–"),
      h("p", { class: "quiet" }, newest ? `${percent(newest.confidence ?? Math.max(...newest.probabilities))} sure${newest.is_anomaly ? " · none of these?" : ""}` : "not answered")));
  if (latent) draw(big, latent);
  return { image, latent, big, cells: cells(latent), parts: parts(image), heat: heat(image) };
}

function cells(latent) {
  if (!latent) return h("p", { class: "quiet" }, "Its bundle is not here, so its symbols cannot be read.");
  const { symbols, known } = latent;
  const fields = symbols.map((symbol, index) => {
    const field = h("span", { class: index < known ? null : "guess", title: `symbol ${index}${index < known ? "" : ", not here yet: expected"}` }, String(symbol));
    if (symbol) {
      field.style.background = colour(symbol);
      if (Math.abs(symbol) > 3) field.style.color = "var(--card)";
    }
    return field;
  });
  return h("div", { class: "part" }, h("p", { class: "quiet" }, `${known} of ${symbols.length} symbols came`), h("div", { class: "cells", role: "img", "aria-label": `Symbols: ${symbols.join(", ")}` }, ...fields));
}

function parts({ chunks, is_complete: isComplete }) {
  const shown = chunks.map((chunk) => {
    const part = h("span", { title: [`chunk ${chunk.chunk}`, `${chunk.bytes} bytes`, moment(chunk.received_s), chunk.gateway && `by ${chunk.gateway}`, chunk.snr_db != null && `${chunk.snr_db.toFixed(1)} dB`].filter(Boolean).join(" · ") }, `${chunk.bytes} B`);
    part.style.flexGrow = Math.max(1, chunk.bytes);
    return part;
  });
  if (!isComplete) shown.push(h("span", { class: "gone" }, "not here"));
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
  const words = `${bytes} bytes in ${chunks.length} ${chunks.length === 1 ? "chunk" : "chunks"}${isComplete ? ", all of it" : ", and more to come"}`;
  return h("div", { class: "part" }, h("p", { class: "quiet" }, words), h("div", { class: "parts" }, ...shown));
}

function heat({ revisions }) {
  if (!revisions.length) return h("p", { class: "quiet" }, "No answer yet.");
  const last = revisions.at(-1);
  const best = last.probabilities.map((p, index) => [p, index]).sort((a, b) => b[0] - a[0]).slice(0, SHOWN_CLASSES).map(([, index]) => index);
  const line = (revision) => h("tr", {}, h("th", { scope: "row" }, `${revision.revision} ${revision.revision === 1 ? "chunk" : "chunks"}`),
    ...best.map((index) => {
      const p = revision.probabilities[index] ?? 0;
      const cell = h("span", {}, percent(p));
      cell.style.background = `color-mix(in oklab, ${hue(last.classes[index])} ${Math.round(85 * p)}%, var(--zero))`;
      if (p > 0.6) cell.style.color = "var(--card)";
      return h("td", {}, cell);
    }), h("td", { class: "quiet" }, moment(revision.received_s)));
  return h("div", { class: "scroll" }, h("table", { class: "heat" }, h("thead", {}, h("tr", {}, h("th", {}, "with"), ...best.map((index) => h("th", { scope: "col" }, last.classes[index])), h("th", {}, ""))),
    h("tbody", {}, ...revisions.map(line))));
}

