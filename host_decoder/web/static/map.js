// A map without tiles: nodes where host.toml says that they are, to scale, and nothing from elsewhere.
import { get, h, svg } from "./dom.js";
import { listen } from "./live.js";
import { isSilent } from "./silence.js";
import { called, count, hue } from "./words.js";

const EARTH_M = 6371008.8, WIDE = 1000, MARGIN = 70;
const STEPS_M = [1, 2, 5].flatMap((n) => [0, 1, 2, 3, 4, 5, 6].map((p) => n * 10 ** p)).sort((a, b) => a - b);

export async function show(root) {
  const { nodes, now_s: now } = await get("/api/1/nodes");
  const placed = nodes.filter((node) => node.latitude != null && node.longitude != null);
  const sum = h("p", { class: "sum" }, `${count(placed.length, "node")} of ${nodes.length} with a place`);
  root.append(h("div", { class: "tools" }, h("h1", {}, "Map"), sum, h("div", { class: "group" }, h("button", { type: "button", "aria-label": "Closer", onclick: () => zoom(0.7) }, "+"), h("button", { type: "button", "aria-label": "Farther", onclick: () => zoom(1.4) }, "−"), h("button", { type: "button", onclick: () => move({ ...whole }) }, "All"))));
  if (!placed.length) {
    root.append(h("div", { class: "empty" }, h("h1", {}, "No node has a place"), h("p", {}, "Write latitude and longitude, in degrees, into a node's file (nodes/7.toml) or its [[node]] in host.toml.")));
    return;
  }
  const picture = svg("svg", { class: "map", role: "group", "aria-label": "Map of the nodes" });
  root.append(picture);
  const ratio = picture.clientHeight / picture.clientWidth || 0.6, tallest = WIDE * ratio;
  // equirectangular about the middle: true to scale where the nodes are near each other
  const rad = Math.PI / 180, middle = (pick) => (Math.min(...placed.map(pick)) + Math.max(...placed.map(pick))) / 2;
  const lat = middle((node) => node.latitude), lon = middle((node) => node.longitude);
  const metres = placed.map((node) => [EARTH_M * (node.longitude - lon) * rad * Math.cos(lat * rad), -EARTH_M * (node.latitude - lat) * rad]);
  const reach = (axis) => Math.max(...metres.map((at) => Math.abs(at[axis])), 10);
  const scale = Math.min((WIDE / 2 - MARGIN) / reach(0), (tallest / 2 - MARGIN) / reach(1));
  const whole = { x: 0, y: 0, w: WIDE };
  let box = { ...whole };
  const grid = svg("g", { class: "grid" }), marks = svg("g", {}), bar = svg("g", { class: "grid" });
  picture.append(grid, marks, bar);
  const dots = placed.map((node, index) => {
    const circle = svg("circle", { r: 7 }), text = svg("text", {}), more = svg("text", { class: "small" });
    const link = svg("a", { href: `/nodes/${encodeURIComponent(node.site)}/${node.number}` }, circle, text, more);
    marks.append(link);
    return { node, link, circle, text, more, at: [WIDE / 2 + metres[index][0] * scale, tallest / 2 + metres[index][1] * scale] };
  });

  function paint({ node, circle, text, more, link }, at) {
    const silent = isSilent(node, at);
    circle.style.fill = node.fault ? "var(--warn)" : silent || !node.label ? "var(--soft)" : hue(node.label);
    circle.style.opacity = silent && !node.fault ? 0.5 : 1;
    text.textContent = called(node);
    more.textContent = node.fault ? "captures nothing" : silent ? "silent" : node.label ?? "";
    link.setAttribute("aria-label", `${called(node)}: ${more.textContent || "no image yet"}`);
  }

  function move(to) {
    box = { ...to, w: Math.min(WIDE * 3, Math.max(WIDE / 500, to.w)) };
    const tall = (box.w * tallest) / WIDE, unit = box.w / (picture.clientWidth || WIDE);
    picture.setAttribute("viewBox", `${box.x} ${box.y} ${box.w} ${tall}`);
    for (const { at, circle, text, more } of dots) {
      circle.setAttribute("cx", at[0]); circle.setAttribute("cy", at[1]); circle.setAttribute("r", 7 * unit);
      [text, more].forEach((one, line) => { one.setAttribute("x", at[0] + 12 * unit); one.setAttribute("y", at[1] + (line * 14 - 1) * unit); one.style.fontSize = `${(line ? 11 : 12.5) * unit}px`; });
    }
    const long = STEPS_M.findLast((step) => step * scale < box.w * 0.22) ?? STEPS_M[0], wide = long * scale;
    bar.replaceChildren(svg("path", { d: `M${box.x + 18 * unit} ${box.y + tall - 22 * unit}h${wide}`, "stroke-width": 3 * unit }), label(long, box.x + 18 * unit, box.y + tall - 28 * unit, unit));
    bar.firstChild.style.stroke = "var(--soft)";
    grid.replaceChildren(svg("path", { d: lines(box, tall, wide, tallest), "stroke-width": unit }));
  }

  const label = (long, x, y, unit) => {
    const text = svg("text", { x, y, class: "small", stroke: "none" });
    text.textContent = long >= 1000 ? `${long / 1000} km` : `${long} m`;
    text.style.fontSize = `${11 * unit}px`;
    return text;
  };
  const zoom = (factor, cx = 0.5, cy = 0.5) => move({ x: box.x + box.w * (1 - factor) * cx, y: box.y + ((box.w * tallest) / WIDE) * (1 - factor) * cy, w: box.w * factor });
  picture.addEventListener("wheel", (event) => {
    event.preventDefault();
    const at = picture.getBoundingClientRect();
    zoom(event.deltaY > 0 ? 1.15 : 0.87, (event.clientX - at.left) / at.width, (event.clientY - at.top) / at.height);
  }, { passive: false });
  let drag = null;
  picture.addEventListener("pointerdown", (event) => (drag = { x: event.clientX, y: event.clientY, from: { ...box } }));
  picture.addEventListener("pointermove", (event) => {
    if (!drag || !event.buttons) return;
    const unit = box.w / picture.clientWidth;
    move({ ...drag.from, x: drag.from.x - (event.clientX - drag.x) * unit, y: drag.from.y - (event.clientY - drag.y) * unit });
  });
  picture.addEventListener("pointerup", () => (drag = null));

  const offset = now - Date.now() / 1000;
  const paintAll = () => dots.forEach((dot) => paint(dot, Date.now() / 1000 + offset));
  paintAll();
  move(whole);
  const stop = listen((message) => {
    for (const result of message.results ?? []) {
      const dot = dots.find(({ node }) => node.site === result.site && node.number === result.node);
      if (!dot) continue;
      Object.assign(dot.node, { label: result.label, heard_s: result.received_s });
      paint(dot, Date.now() / 1000 + offset);
    }
  });
  const timer = setInterval(paintAll, 5000);
  return () => {
    stop();
    clearInterval(timer);
  };
}

function lines({ x, y, w }, tall, step, tallest) {
  const across = [], down = [];
  for (let at = Math.ceil((x - WIDE / 2) / step) * step + WIDE / 2; at < x + w; at += step) down.push(`M${at} ${y}v${tall}`);
  for (let at = Math.ceil((y - tallest / 2) / step) * step + tallest / 2; at < y + tall; at += step) across.push(`M${x} ${at}h${w}`);
  return [...across, ...down].join("");
}
