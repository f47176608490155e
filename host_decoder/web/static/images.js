// Images: all that came, sifted, as a grid, a list, or a scatter of their latents; one of them beside
// it, with its nearest and what a person says that it shows.
import { debounced, get, h, post, say } from "./dom.js";
import { detail } from "./detail.js";
import { wish } from "./strip.js";
import { about, go } from "./main.js";
import { scatter } from "./scatter.js";
import { called, count, moment, percent } from "./words.js";

const PAGE = 60, MOST = 600;
const SPANS = [["", "Any time"], ["3600", "Last hour"], ["86400", "Last day"], ["604800", "Last week"]];
const VIEWS = ["grid", "list", "scatter"];

export async function show(root, given, query) {
  const { nodes } = await get("/api/1/nodes");
  const known = await about;
  const names = new Map(nodes.map((node) => [`${node.site}/${node.number}`, called(node)]));
  const classes = [...new Set(Object.values(known.bundles).flatMap((bundle) => bundle.classes))];
  const choice = (label, options, value) => h("select", { "aria-label": label, onchange: () => apply() }, ...options.map(([to, text]) => h("option", { value: to, selected: to === value }, text)));
  const node = choice("Node", [["", "All nodes"], ...[...names].map(([key, name]) => [key, name])], query.get("node") ? `${query.get("site")}/${query.get("node")}` : "");
  const label = choice("Label", [["", "All labels"], ...classes.map((one) => [one, one])], query.get("label") ?? "");
  const span = choice("Time", SPANS, query.get("span") ?? "");
  const sure = choice("Confidence", [["", "Any confidence"], ["0-0.5", "Below 50 %"], ["0.5-0.9", "50 to 90 %"], ["0.9-1", "Above 90 %"]], query.get("sure") ?? "");
  let view = VIEWS.includes(query.get("as")) ? query.get("as") : "grid";
  const views = VIEWS.map((one) => h("button", { type: "button", "aria-pressed": String(one === view), onclick: () => { view = one; views.forEach((button, i) => button.setAttribute("aria-pressed", String(VIEWS[i] === view))); apply(); } }, one[0].toUpperCase() + one.slice(1)));
  const csv = h("a", { class: "button", download: "" }, "CSV"), parquet = h("a", { class: "button", download: "" }, "Parquet");
  if (!known.has_parquet) {
    parquet.addEventListener("click", (event) => { event.preventDefault(); say("Parquet needs pyarrow, which is not installed on the host; take the CSV"); });
  }
  const sum = h("p", { class: "sum" }), body = h("div", {}), side = h("aside", { class: "card side", "aria-label": "One image", hidden: true });
  root.append(h("div", { class: "tools" }, h("h1", {}, "Images"), sum, node, label, span, sure, h("div", { class: "group" }, ...views), h("div", { class: "group" }, csv, parquet)), h("div", { class: "explorer" }, body, side));
  let turn = 0, end = () => {};

  function asked() {
    const [site, number] = node.value ? node.value.split(/\/(?=\d+$)/) : ["", ""];
    const [low, high] = sure.value ? sure.value.split("-") : ["", ""];
    return { site, node: number, label: label.value, since: span.value ? Math.floor(Date.now() / 1000 - span.value) : "", at_least: low === "0" ? "" : low, at_most: high === "1" ? "" : high };
  }

  const apply = debounced(() => {
    const [site, number] = node.value ? node.value.split(/\/(?=\d+$)/) : ["", ""];
    const parts = { site, node: number, label: label.value, span: span.value, sure: sure.value, as: view === "grid" ? "" : view };
    const text = new URLSearchParams(Object.entries(parts).filter(([, value]) => value)).toString();
    go(`/images${text && `?${text}`}`, false);
    load().catch((error) => say(error.message));
  }, 20);

  async function load() {
    const mine = ++turn;
    const wanted = asked();
    const text = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value !== ""));
    csv.href = `/api/1/export.csv?${text}`;
    parquet.href = `/api/1/export.parquet?${text}`;
    end();
    end = () => {};
    if (view === "scatter") {
      const found = await get("/api/1/scatter", wanted);
      if (mine !== turn) return;
      sum.textContent = found.keys.length ? `${count(found.keys.length, "image")}, ${percent(found.share[0] + found.share[1])} of their variance` : "";
      const drawn = found.keys.length ? scatter(found, (result) => look(result)) : { element: h("p", { class: "empty" }, "Too few images for a scatter."), end: () => {} };
      body.replaceChildren(drawn.element);
      end = drawn.end;
      return;
    }
    const holder = h("div", { class: view === "grid" ? "shots" : "rows" });
    const more = h("button", { type: "button", onclick: () => next() }, "More");
    let after = "", n = 0;
    async function next() {
      more.disabled = true;
      const { results, is_all: isAll } = await get("/api/1/results", { ...wanted, after, limit: PAGE });
      if (mine !== turn) return;
      n += results.length;
      for (const result of results) holder.append(view === "grid" ? shot(result, look) : row(result, look, names));
      after = results.at(-1)?.after ?? "";
      sum.textContent = n ? `${count(n, "image")}${isAll ? "" : ", the newest"}` : "";
      more.disabled = false;
      more.hidden = isAll || n >= MOST;
      if (!n) holder.replaceWith(h("p", { class: "empty" }, "No image is like that."));
    }
    body.replaceChildren(holder, h("p", { class: "tools" }, more));
    await next();
  }

  async function look(result) {
    for (const one of body.querySelectorAll("[aria-current]")) one.removeAttribute("aria-current");
    body.querySelector(`[data-key="${CSS.escape(result.key)}"]`)?.setAttribute("aria-current", "true");
    side.hidden = false;
    try {
      side.replaceChildren(...(await panel(result)));
    } catch (error) {
      say(error.message);
    }
  }

  async function panel(result) {
    const one = await detail(result.key);
    const near = h("div", { class: "shots" });
    get(`/api/1/nearest/${encodeURIComponent(result.key)}`).then(({ results }) => near.append(...results.slice(0, 6).map((other) => shot(other, look)))).catch(() => {});
    const name = names.get(`${result.site}/${result.node}`) ?? `Node ${result.node}`;
    const close = h("button", { type: "button", onclick: () => (side.hidden = true) }, "Close");
    return [h("div", { class: "head" }, h("a", { href: `/nodes/${encodeURIComponent(result.site)}/${result.node}` }, h("b", {}, name)), h("span", { class: "quiet" }, moment(result.received_s)), close),
      one.big, one.cells, one.parts, hand(result, classes, known.role), h("h2", {}, "Nearest, by their symbols"), near];
  }

  await load();
  return () => end();
}

function hand(result, classes, role) {
  if (role === "viewer") return null;
  const input = h("input", { list: "classes", value: result.hand_label ?? "", "aria-label": "What it shows", placeholder: "What does it show?", maxlength: 64 });
  const send = async (event) => {
    event.preventDefault();
    try {
      result.hand_label = (await post("/api/1/labels", { key: result.key, label: input.value })).label;
      say(result.hand_label ? `Labelled ${result.hand_label}` : "The label is taken back");
    } catch (error) {
      say(error.message);
    }
  };
  return h("form", { class: "inline", onsubmit: send }, input, h("button", {}, "Label"), h("datalist", { id: "classes" }, ...classes.map((one) => h("option", { value: one }))));
}

function shot(result, look) {
  const box = h("button", { class: "shot", type: "button", "data-key": result.key, onclick: () => look(result) },
    h("canvas", { class: "pic", width: 1, height: 1, "aria-hidden": "true" }),
    h("small", {}, percent(result.confidence ?? result.top?.[0]?.[1])), h("b", { class: result.hand_label ? "by" : null }, result.hand_label || result.label),
    h("span", { class: "strip" }));
  wish(box, result.key);
  return box;
}

function row(result, look, names) {
  const line = h("button", { class: "row", type: "button", "data-key": result.key, onclick: () => look(result) },
    h("canvas", { class: "pic", width: 1, height: 1, "aria-hidden": "true" }), h("b", {}, result.hand_label || result.label), h("span", { class: "strip" }),
    h("span", { class: "num" }, `${names.get(`${result.site}/${result.node}`) ?? result.node} · ${percent(result.confidence ?? result.top?.[0]?.[1])}`), h("time", {}, moment(result.received_s)));
  wish(line, result.key);
  return line;
}

