// A scatter: images where the two directions lie in which their symbols differ most.
import { h } from "./dom.js";
import { hue } from "./words.js";

const REACH = 14, MARGIN = 26;

export function scatter({ xy, results }, pick) {
  const canvas = h("canvas", { class: "scatter", tabindex: 0, role: "img", "aria-label": "Images by their two principal components; arrow keys go from one to the next, Enter opens it" });
  const over = h("p", { class: "quiet" }, "Point at an image, or choose one with the arrow keys.");
  const labels = [...new Set(results.map((result) => result.label))].sort();
  const legend = h("div", { class: "legend" }, ...labels.slice(0, 20).map((label) => h("span", {}, h("i", { class: "dot", hue: hue(label) }), label)));
  const ends = [0, 1].map((axis) => [Math.min(...xy.map((at) => at[axis])), Math.max(...xy.map((at) => at[axis]))]);
  const middle = ends.map(([low, high]) => (low + high) / 2);
  const unit = (wide, tall) => Math.min((wide - 2 * MARGIN) / (ends[0][1] - ends[0][0] || 1), (tall - 2 * MARGIN) / (ends[1][1] - ends[1][0] || 1));
  let chosen = -1, places = [];

  function draw() {
    const scale = devicePixelRatio || 1, { clientWidth: wide, clientHeight: tall } = canvas;
    if (!wide) return;
    canvas.width = wide * scale;
    canvas.height = tall * scale;
    const context = canvas.getContext("2d"), style = getComputedStyle(canvas);
    const colours = new Map(labels.map((label) => [label, resolved(canvas, hue(label))]));
    context.scale(scale, scale);
    places = xy.map(([x, y]) => [wide / 2 + (x - middle[0]) * unit(wide, tall), tall / 2 - (y - middle[1]) * unit(wide, tall)]);
    context.globalAlpha = 0.75;
    places.forEach(([x, y], index) => {
      context.fillStyle = colours.get(results[index].label);
      context.beginPath();
      context.arc(x, y, 3.6, 0, 7);
      context.fill();
    });
    context.globalAlpha = 1;
    if (chosen >= 0) {
      context.strokeStyle = style.color;
      context.lineWidth = 2;
      context.beginPath();
      context.arc(...places[chosen], 8, 0, 7);
      context.stroke();
    }
  }

  function choose(index) {
    if (index === chosen) return;
    chosen = index;
    if (index >= 0) over.textContent = `${results[index].hand_label || results[index].label}, node ${results[index].node}, image ${results[index].image}`;
    draw();
  }

  function nearestTo(event) {
    const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    let best = -1, least = REACH ** 2;
    places.forEach(([px, py], index) => {
      const far = (px - x) ** 2 + (py - y) ** 2;
      if (far < least) [best, least] = [index, far];
    });
    return best;
  }

  canvas.addEventListener("pointermove", (event) => choose(nearestTo(event)));
  canvas.addEventListener("click", (event) => {
    choose(nearestTo(event));
    if (chosen >= 0) pick(results[chosen]);
  });
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && chosen >= 0) return pick(results[chosen]);
    const direction = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (!direction) return;
    event.preventDefault();
    choose(chosen < 0 ? 0 : step(places, chosen, direction));
  });
  const watch = new ResizeObserver(draw);
  watch.observe(canvas);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", draw);
  return { element: h("div", {}, canvas, over, legend), end: () => { watch.disconnect(); dark.removeEventListener("change", draw); } };
}

// The nearest in that direction.
function step(places, from, [dx, dy]) {
  let best = from, least = Infinity;
  places.forEach(([x, y], index) => {
    const along = (x - places[from][0]) * dx + (y - places[from][1]) * dy;
    const aside = Math.abs((x - places[from][0]) * dy) + Math.abs((y - places[from][1]) * dx);
    const far = along + 2 * aside;
    if (along > 0.5 && far < least) [best, least] = [index, far];
  });
  return best;
}

// A canvas knows no variables.
function resolved(canvas, colour) {
  canvas.style.color = colour;
  const found = getComputedStyle(canvas).color;
  canvas.style.color = "";
  return found;
}
