// One page that looks at its own address: which view is shown, who looks on, and whether it is live.
import { get, h, say } from "./dom.js";
import { listen } from "./live.js";
import { hue } from "./words.js";

const VIEWS = [
  [/^\/$/, "Wall", () => import("./wall.js")],
  [/^\/nodes\/([^/]+)\/(\d+)$/, "Node", () => import("./node.js")],
  [/^\/images$/, "Images", () => import("./images.js")],
  [/^\/link$/, "Link", () => import("./link.js")],
  [/^\/map$/, "Map", () => import("./map.js")],
  [/^\/jobs$/, "Decoders", () => import("./jobs.js")],
  [/^\/alerts$/, "Alerts", () => import("./alerts.js")],
  [/^\/desk$/, "Desk", () => import("./desk.js")],
];
const main = document.getElementById("main");
let leave = () => {}, turn = 0;

async function show() {
  const mine = ++turn;
  const [pattern, title, load] = VIEWS.find(([one]) => one.test(location.pathname)) ?? VIEWS[0];
  for (const link of document.querySelectorAll(".top nav a"))
    link.toggleAttribute("aria-current", link.pathname === location.pathname);
  document.querySelector(".top nav a[aria-current]")?.setAttribute("aria-current", "page");
  leave();
  leave = () => {};
  try {
    const given = (pattern.exec(location.pathname) ?? []).slice(1).map(decodeURIComponent);
    const root = h("div", {});
    const [view] = await Promise.all([load(), about]);
    if (mine !== turn) return;
    main.replaceChildren(root);
    document.title = `${title} – latentlink`;
    const end = await view.show(root, given, new URLSearchParams(location.search));
    if (mine === turn) leave = end ?? (() => {});
    else end?.();
  } catch (error) {
    if (mine === turn) main.replaceChildren(h("div", { class: "empty" }, h("h1", {}, "This cannot be shown now"), h("p", {}, error.message)));
  }
}

export function go(address, isNew = true) {
  if (address === location.pathname + location.search) return;
  history[isNew ? "pushState" : "replaceState"](null, "", address);
  if (isNew) {
    scrollTo(0, 0);
    show().then(() => main.focus({ preventScroll: true }));
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='/']");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || link.hasAttribute("download")) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
addEventListener("popstate", show);
document.addEventListener("keydown", (event) => {
  const search = document.querySelector("input[type=search]");
  if (event.key === "/" && search && !event.target.closest("input, textarea, select")) {
    event.preventDefault();
    search.focus();
  }
});

// The pulse: results in each of the last sixty seconds.
const SECONDS = 60;
const beats = new Array(SECONDS).fill(0);
const canvas = document.getElementById("pulse");
let isLive = "";

listen((message) => {
  if (message.kind === "news") beats[SECONDS - 1] += message.n;
  for (const one of message.said ?? []) say(one.sentence);
  if (message.kind === "state") isLive = message.state;
  if (message.kind === "state") draw();
});
setInterval(() => {
  beats.shift();
  beats.push(0);
  draw();
}, 1000);

function draw() {
  const recent = beats.slice(-6, -1).reduce((sum, n) => sum + n, 0) / 5;
  const state = document.getElementById("state");
  const words = { live: recent >= 10 ? `${Math.round(recent)} results/s` : `${recent.toFixed(1)} results/s`, away: "the host is away", connecting: "connecting" };
  if (state.textContent !== words[isLive || "connecting"]) state.textContent = words[isLive || "connecting"];
  state.className = isLive === "away" ? "off" : "";
  const context = canvas.getContext("2d"), most = Math.max(1, ...beats);
  const wide = canvas.width / SECONDS;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
  beats.slice(0, -1).forEach((n, i) => {
    const tall = n ? Math.max(1.5, (n / most) * canvas.height) : 0.6;
    context.fillRect(i * wide, canvas.height - tall, wide - 0.6, tall);
  });
}

export const about = get("/api/1/about").then((found) => {
  const roles = ["viewer", "operator", "admin"];
  for (const one of document.querySelectorAll("[data-role]"))
    one.hidden = roles.indexOf(found.role) < roles.indexOf(one.dataset.role);
  for (const bundle of Object.values(found.bundles)) bundle.classes.forEach(hue); // the same colours everywhere
  return found;
});
about.catch(() => {});

show();
