// Decoders: a later one over all that is stored, beside what was told then, and which of them is shown.
import { get, h, post, say, table } from "./dom.js";
import { about, go } from "./main.js";
import { wish } from "./strip.js";
import { count, moment, percent } from "./words.js";

const AGAIN_MS = 2000, MOST = 14;

export async function show(root) {
  const known = await about;
  const isAdmin = known.role === "admin";
  const list = h("div", {}), jobs = h("div", {}), found = h("div", { class: "cards" });
  const again = Object.entries(known.bundles).map(([id, bundle]) => h("button", { type: "button", onclick: () => ask({ what: "redecode", bundle: id }) }, `Decode ${bundle.name} again`));
  root.append(h("div", { class: "tools" }, h("h1", {}, "Decoders"), h("p", { class: "sum" }, "a later decoder answers for all that ever came; no node is asked"), ...(isAdmin ? again : [])),
    h("div", { class: "cards" }, h("section", { class: "card w7" }, h("h2", {}, "Decoders"), list), h("section", { class: "card w5" }, h("h2", {}, "At work"), jobs)), found);
  let before = "";

  async function ask(what) {
    try {
      await post("/api/1/jobs", what);
      await load();
    } catch (error) {
      say(error.message);
    }
  }

  async function load() {
    const { decoders, jobs: all } = await get("/api/1/jobs");
    const text = JSON.stringify([decoders, all]);
    if (text === before) return;
    before = text;
    list.replaceChildren(decoders.length ? table(["decoder", "bundle", "since", "", ""], decoders.map((one) => [
      h("b", {}, `${one.task}@${one.sha256.slice(0, 8) || "earlier"}`), known.bundles[one.bundle]?.name ?? one.bundle.slice(0, 8), moment(one.added_s), one.is_shown ? "shown" : "",
      h("span", { class: "group" }, h("button", { type: "button", onclick: () => compare(one) }, "Compare"),
        isAdmin ? (one.is_shown ? h("button", { type: "button", onclick: () => ask({ what: "as-told", bundle: one.bundle }) }, "Back") : h("button", { type: "button", onclick: () => ask({ what: "show", decoder: one.id }) }, "Show")) : null)])) : h("p", { class: "quiet" }, "None has answered yet."));
    jobs.replaceChildren(all.length ? table(["", "", ""], all.slice(0, 8).map((one) => [`${one.kind} ${one.id}`, progress(one),
      one.state === "running" || one.state === "waiting" ? (isAdmin ? h("button", { type: "button", onclick: () => ask({ what: "cancel", job: one.id }) }, "Stop") : "") : one.error ?? (one.ended_s ? moment(one.ended_s) : "")])) : h("p", { class: "quiet" }, "Nothing."));
  }

  async function compare(decoder) {
    const { confusion, n, examples } = await get("/api/1/compare", { b: decoder.id });
    const changed = confusion.reduce((sum, [a, b, times]) => sum + (a === b ? 0 : times), 0);
    const shots = examples.map((one) => {
      const box = h("button", { class: "shot", type: "button", onclick: () => go(`/nodes/${encodeURIComponent(one.site)}/${one.node}`) },
        h("canvas", { class: "pic", width: 1, height: 1, "aria-hidden": "true" }), h("b", {}, `${one.a} → ${one.b}`), h("small", {}, percent(one.confidence)), h("span", { class: "strip" }));
      wish(box, one.key);
      return box;
    });
    found.replaceChildren(
      h("section", { class: "card w6" }, h("h2", {}, `Told then by row, ${decoder.task}@${decoder.sha256.slice(0, 8) || "earlier"} by column`), matrix(confusion), h("p", { class: "quiet" }, `${count(n, "image")}, ${changed.toLocaleString("en")} of them seen differently`)),
      h("section", { class: "card w6" }, h("h2", {}, "Seen differently, the surest first"), shots.length ? h("div", { class: "shots" }, ...shots) : h("p", { class: "quiet" }, "None.")));
  }

  await load();
  const timer = setInterval(() => load().catch(() => {}), AGAIN_MS);
  return () => clearInterval(timer);
}

function progress({ state, n_done: done, n_total: total }) {
  const meter = h("span", { class: "meter" }, h("i", { share: total ? done / total : 0 }));
  return h("span", {}, `${state}, ${done.toLocaleString("en")} of ${total.toLocaleString("en")}`, meter);
}

function matrix(confusion) {
  if (!confusion.length) return h("p", { class: "quiet" }, "No image has been seen by both.");
  const sums = new Map();
  for (const [a, b, n] of confusion) for (const label of [a, b]) sums.set(label, (sums.get(label) ?? 0) + n);
  const labels = [...sums].sort((one, other) => other[1] - one[1]).slice(0, MOST).map(([label]) => label).sort();
  const counts = new Map(confusion.map(([a, b, n]) => [`${a}/${b}`, n]));
  const cell = (a, b) => {
    const n = counts.get(`${a}/${b}`) ?? 0, most = Math.max(...labels.map((other) => counts.get(`${a}/${other}`) ?? 0), 1);
    const field = h("span", {}, n ? n.toLocaleString("en") : "");
    field.style.background = `color-mix(in oklab, var(${a === b ? "--accent" : "--plus"}) ${Math.round((70 * n) / most)}%, var(--zero))`;
    return h("td", {}, field);
  };
  return h("div", { class: "scroll" }, h("table", { class: "heat" }, h("thead", {}, h("tr", {}, h("th", {}, ""), ...labels.map((label) => h("th", { scope: "col" }, label)))),
    h("tbody", {}, ...labels.map((a) => h("tr", {}, h("th", { scope: "row" }, a), ...labels.map((b) => cell(a, b)))))));
}
