// The wall: a tile for each node, with what it saw last. A node that says nothing for three of its
// own periods is grey and says so; amber is what it complains of itself. Only what is on the screen is
// drawn: a thousand tiles then cost what a screenful does.
import { get, h, say } from "./dom.js";
import { listen } from "./live.js";
import { wish } from "./strip.js";
import { ago, called, count, hue, percent } from "./words.js";
import { isSilent, silence } from "./silence.js";

const DENSE = 120, AGAIN_MS = 30000;

export async function show(root, given, query) {
  const tiles = new Map();
  const wall = h("div", { class: "wall" });
  const sum = h("p", { class: "sum" });
  const search = h("input", { type: "search", placeholder: "Name or label", "aria-label": "Show only nodes whose name or label has", value: query.get("q") ?? "", oninput: () => { keep(); sift(); } });
  const site = h("select", { "aria-label": "Site", hidden: true, onchange: () => sift() });
  const trouble = h("button", { type: "button", "aria-pressed": "false", onclick: () => { trouble.setAttribute("aria-pressed", String(trouble.getAttribute("aria-pressed") !== "true")); sift(); } }, "Problems only");
  const empty = h("div", { class: "empty", hidden: true }, h("h1", {}, "No node yet"), h("p", {}, "The host hears nobody. Flash a node, or add one to host.toml; it appears here as soon as it is known."));
  root.append(h("div", { class: "tools" }, h("h1", {}, "Wall"), sum, search, site, trouble), empty, wall);
  wall.addEventListener("keydown", walk);

  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      target.tile.isSeen = isIntersecting;
      if (isIntersecting) target.tile.paint(false, Date.now() / 1000 + offset);
    }
  }, { rootMargin: "200px" });

  async function load() {
    const { nodes, now_s: now } = await get("/api/1/nodes");
    offset = now - Date.now() / 1000;
    for (const node of nodes) {
      const key = `${node.site}/${node.number}`;
      if (!tiles.has(key)) {
        const tile = new Tile(node);
        tiles.set(key, tile);
        wall.append(tile.element);
        seen.observe(tile.element);
      } else tiles.get(key).update(node);
    }
    const sites = [...new Set(nodes.map((node) => node.site))];
    if (sites.length > 1 && site.options.length !== sites.length + 1) {
      site.replaceChildren(h("option", { value: "" }, "All sites"), ...sites.map((name) => h("option", {}, name)));
      site.hidden = false;
    }
    wall.classList.toggle("dense", nodes.length > DENSE);
    empty.hidden = nodes.length > 0;
    tick();
    sift();
  }

  function sift() {
    const words = search.value.trim().toLowerCase(), isOnly = trouble.getAttribute("aria-pressed") === "true";
    for (const tile of tiles.values())
      tile.element.hidden = !(tile.has(words) && (!site.value || tile.node.site === site.value) && (!isOnly || tile.state !== "well"));
  }

  function keep() {
    const words = search.value.trim();
    history.replaceState(null, "", words ? `/?q=${encodeURIComponent(words)}` : "/");
  }

  let before = "";
  function tick() {
    const now = Date.now() / 1000 + offset;
    const n = { well: 0, silent: 0, problem: 0 };
    for (const tile of tiles.values()) {
      tile.age(now);
      n[tile.state]++;
    }
    const parts = [count(tiles.size, "node"), n.silent && `${n.silent} silent`, n.problem && count(n.problem, "problem")].filter(Boolean);
    if (parts.join() !== before) {
      sum.textContent = parts.join(" · ");
      if (before && n.silent + n.problem) say(parts.join(", "));
      before = parts.join();
    }
  }

  let offset = 0;
  await load();
  const stop = listen((message) => {
    if (message.kind === "resync") load().catch(() => {});
    for (const result of message.results ?? []) tiles.get(`${result.site}/${result.node}`)?.hear(result, offset);
  });
  const timers = [setInterval(tick, 1000), setInterval(() => load().catch(() => {}), AGAIN_MS)];
  return () => {
    stop();
    seen.disconnect();
    timers.forEach(clearInterval);
  };
}

class Tile {
  constructor(node) {
    const part = (name, tag = "span") => h(tag, { class: name });
    this.label = part("label");
    this.share = h("span", {});
    this.fill = h("i", {});
    this.when = h("span", {});
    this.title = h("span", {}, called(node));
    this.why = part("why");
    this.element = h("a", { class: "tile", href: `/nodes/${encodeURIComponent(node.site)}/${node.number}` },
      h("canvas", { class: "pic", width: 1, height: 1, "aria-hidden": "true" }),
      h("span", { class: "name" }, this.title, this.when), this.label,
      h("span", { class: "bar" }, h("span", { class: "meter" }, this.fill), this.share), this.why,
      h("span", { class: "strip" }));
    this.element.tile = this;
    this.element.addEventListener("animationend", () => this.element.classList.remove("new"));
    this.update(node);
  }

  update(node) {
    const isNewer = !this.node || (node.received_s ?? 0) >= (this.node.received_s ?? 0);
    this.node = isNewer ? node : { ...node, ...this.last };
    this.title.textContent = called(node);
    if (this.isSeen) this.paint();
  }

  hear(result, offset) {
    const isNew = result.key !== this.node.key || result.revision !== this.node.revision;
    this.last = { ...result, image: result.image, heard_s: result.received_s };
    delete this.last.node;
    Object.assign(this.node, this.last);
    this.node.key = result.key;
    if (!this.isSeen) return;
    this.paint(isNew, Date.now() / 1000 + offset);
    if (!this.element.parentElement.classList.contains("dense")) this.flash();
  }

  flash() {
    this.element.classList.remove("new");
    requestAnimationFrame(() => this.element.classList.add("new"));
  }

  paint(isNew = false, now = 0) {
    const { node, element } = this;
    this.label.textContent = node.label ?? "–";
    element.classList.toggle("strange", Boolean(node.is_anomaly));
    const sure = node.confidence ?? node.top?.[0]?.[1] ?? 0;
    this.share.textContent = node.label ? percent(sure) : "";
    this.fill.style.transform = `scaleX(${sure})`;
    if (node.label) this.fill.style.setProperty("--hue", hue(node.label));
    element.dataset.at = node.received_s ?? "";
    if (now) this.age(now);
    this.wish(isNew);
  }

  wish(isNew = false) {
    if (this.node.key) wish(this.element, this.node.key, isNew);
  }

  age(now) {
    const { node, element } = this;
    const when = node.heard_s == null ? "" : ago(Math.max(0, now - node.heard_s));
    if (this.isSeen && this.shownWhen !== when) this.when.textContent = this.shownWhen = when;
    const state = node.fault ? "problem" : isSilent(node, now) ? "silent" : "well";
    if (state === "well" && this.state === "well") return;
    this.state = state;
    element.classList.toggle("silent", state === "silent");
    element.classList.toggle("problem", state === "problem");
    const why = state === "problem" ? node.fault : state === "silent" ? silence(node, now) : "";
    if (this.why.textContent !== why) this.why.textContent = why;
  }

  has(words) {
    return !words || `${called(this.node)} ${this.node.number} ${this.node.label ?? ""}`.toLowerCase().includes(words);
  }
}

// Arrows go from tile to tile, as they lie.
function walk(event) {
  const from = event.target.closest(".tile");
  const steps = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
  if (!from || !steps) return;
  const all = [...from.parentElement.querySelectorAll(".tile:not([hidden])")];
  const wide = all.findIndex((tile) => tile.offsetTop !== all[0].offsetTop);
  const to = all[all.indexOf(from) + steps[0] + steps[1] * (wide < 1 ? all.length : wide)];
  if (!to) return;
  event.preventDefault();
  to.focus();
}

