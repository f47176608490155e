// A node: what it saw last, how sure that became chunk by chunk, how its link does, what it saw by hour.
import { get, h, post, say, svg } from "./dom.js";
import { about } from "./main.js";
import { listen } from "./live.js";
import { wish } from "./strip.js";
import { chart } from "./chart.js";
import { detail } from "./detail.js";
import { isSilent, silence } from "./silence.js";
import { ago, called, duration, figure, hue, moment, percent } from "./words.js";

const ROWS = 12, LABELS = 8;
const ORDERS = [
  ["status", "Ask how it is", "its queue, its airtime and what it heard"],
  ["renew", "Begin a new session", "it draws a new salt, and says which bundle it has"],
];

export async function show(root, [site, number]) {
  const path = `/api/1/nodes/${encodeURIComponent(site)}/${number}`;
  let days = 1, ends = [], shownKey = null, offset = 0;
  const head = h("div", { class: "head" }), note = h("p", { class: "note", hidden: true });
  const seen = h("div", {}), way = h("div", {}), facts = h("dl", { class: "facts" }), recent = h("div", { class: "rows" });
  const link = h("div", { class: "chart" }), queue = h("div", { class: "chart" }), hours = h("div", {});
  const spans = [[1, "24 h"], [30, "30 d"]].map(([n, text]) => h("button", { type: "button", "aria-pressed": String(n === days), onclick: () => choose(n) }, text));
  const asked = h("div", { class: "tools", hidden: true });
  root.append(head, note, asked, h("div", { class: "cards" },
    h("section", { class: "card w12" }, facts),
    h("section", { class: "card w5" }, h("h2", {}, "Latest image"), seen),
    h("section", { class: "card w7" }, h("h2", {}, "How sure, chunk by chunk"), way),
    h("section", { class: "card w12" }, h("div", { class: "tools" }, h("h2", {}, "History"), h("div", { class: "group" }, ...spans)),
      h("div", { class: "cards" }, h("div", { class: "w6" }, h("p", { class: "quiet" }, "Packets, lost ones and SNR by hour"), link), h("div", { class: "w6" }, h("p", { class: "quiet" }, "Its queue and airtime budget, as it told them"), queue)),
      h("h2", {}, "Labels by hour"), hours),
    h("section", { class: "card w12" }, h("h2", {}, "Images"), recent)));

  async function load() {
    const found = await get(path, { days });
    offset = found.now_s - Date.now() / 1000;
    const { node } = found;
    head.replaceChildren(h("h1", {}, called(node)), h("span", { class: "quiet" }, `${node.site} · number ${node.number}`), h("span", { class: "quiet" }, state(node, found.now_s)));
    note.hidden = !node.fault;
    note.textContent = node.fault ? `It captures nothing: ${node.fault}` : "";
    facts.replaceChildren(...fact(node));
    await look(node.key);
    await list();
    for (const end of ends) end();
    ends = await Promise.all([linkChart(link, found), queueChart(queue, found)]);
    hours.replaceChildren(labelHours(found, days));
  }

  async function look(key) {
    if (!key) return seen.replaceChildren(h("p", { class: "quiet" }, "It has not sent an image yet."));
    shownKey = key;
    const one = await detail(key);
    if (shownKey !== key) return;
    seen.replaceChildren(one.big, one.cells);
    way.replaceChildren(one.heat, one.parts, h("p", { class: "quiet" }, `image ${one.image.image}, bundle ${one.image.bundle}`));
  }

  async function list() {
    const { results } = await get("/api/1/results", { site, node: number, limit: ROWS });
    recent.replaceChildren(...results.map((result) => {
      const row = h("button", { class: "row", type: "button", onclick: () => look(result.key) },
        h("canvas", { class: "pic", width: 1, height: 1, "aria-hidden": "true" }), h("b", {}, result.label), h("span", { class: "strip" }),
        h("span", { class: "num" }, percent(result.confidence ?? result.top?.[0]?.[1])), h("time", {}, moment(result.received_s)));
      wish(row, result.key);
      return row;
    }), h("a", { class: "quiet", href: `/images?site=${encodeURIComponent(site)}&node=${number}` }, "All of them"));
  }

  function choose(n) {
    days = n;
    spans.forEach((button, index) => button.setAttribute("aria-pressed", String([1, 30][index] === n)));
    load().catch(() => {});
  }

  async function order(word, text) {
    try {
      await post("/api/1/orders", { site, node: Number(number), order: word });
      say(`${text}: it is told when it listens next`);
    } catch (error) {
      say(error.message);
    }
  }

  asked.append(...ORDERS.map(([word, text, why]) => h("button", { type: "button", title: why, onclick: () => order(word, text) }, text)));
  asked.hidden = (await about).role === "viewer";
  await load();
  let isBusy = false;
  const stop = listen(async (message) => {
    const mine = (message.results ?? []).find((result) => result.site === site && String(result.node) === number);
    if ((!mine && message.kind !== "resync") || isBusy) return;
    isBusy = true;
    try {
      await (mine ? look(mine.key).then(list) : load());
    } catch {
      // said by the head of the page
    }
    setTimeout(() => (isBusy = false), 1000);
  });
  const timer = setInterval(() => load().catch(() => {}), 60000);
  return () => {
    stop();
    clearInterval(timer);
    for (const end of ends) end();
  };
}

const state = (node, now) => (node.heard_s == null || isSilent(node, now) ? silence(node, now) : `heard ${ago(now - node.heard_s)} ago`);

function fact(node) {
  const pairs = [
    ["Signal", figure(node.snr_db, "dB SNR"), node.rssi_dbm != null && figure(node.rssi_dbm, "dBm", 0)],
    ["Packets lost", percent(node.loss_ratio, 1), "since the host's start"],
    ["Its queue", figure(node.queue_images, "images"), node.oldest_age_s != null && `oldest ${duration(node.oldest_age_s)}`],
    ["Airtime left", duration(node.budget_s), null],
    ["Images", figure(node.n_results), null],
    ["Its period", node.period_s ? duration(node.period_s) : "–", node.is_period_said ? "as host.toml says" : node.period_s && "as it sends"],
    ["Bundle", node.bundle?.slice(0, 8) ?? "–", null],
    ["Gateway", node.gateway ?? "–", "that heard it last"],
  ];
  return pairs.map(([name, value, more]) => h("div", {}, h("dt", {}, name), h("dd", { class: name === "Bundle" ? "mono" : null }, value), more ? h("small", { class: "quiet" }, more) : null));
}

function byHour(rows, since, now) {
  const first = Math.floor(since / 3600), last = Math.floor(now / 3600);
  const found = new Map(rows.map((row) => [row.hour, row]));
  return Array.from({ length: last - first + 1 }, (_, i) => [first + i, found.get(first + i)]);
}

function linkChart(holder, { hours, since_s: since, now_s: now }) {
  const all = byHour(hours, since, now);
  const of = (pick) => all.map(([, row]) => (row ? pick(row) : null));
  return chart(holder, all.map(([hour]) => hour * 3600), [
    { name: "packets", values: all.map(([, row]) => row?.n_packets ?? 0), colour: "--accent", unit: "", scale: "n", isFilled: true },
    { name: "lost", values: all.map(([, row]) => row?.n_lost ?? 0), colour: "--plus", unit: "", scale: "n" },
    { name: "SNR", values: of((row) => row.snr_db ?? null), colour: "--minus", unit: "dB", scale: "dB" },
  ]);
}

function queueChart(holder, { statuses }) {
  return chart(holder, statuses.map((one) => one.received_s), [
    { name: "queue", values: statuses.map((one) => one.queue_images), colour: "--plus", unit: "images", scale: "images", isFilled: true },
    { name: "budget", values: statuses.map((one) => one.budget_s), colour: "--accent", unit: "s", scale: "s" },
  ]);
}

// A field for each hour (over a month: each day) and label, the darker the more of it.
function labelHours({ labels, since_s: since, now_s: now }, days) {
  if (!labels.length) return h("p", { class: "quiet" }, "Nothing in this time.");
  const step = days > 2 ? 24 : 1, first = Math.floor(since / 3600 / step), columns = Math.floor(now / 3600 / step) - first + 1;
  const totals = new Map();
  for (const { label, n } of labels) totals.set(label, (totals.get(label) ?? 0) + n);
  const names = [...totals].sort((a, b) => b[1] - a[1]).slice(0, LABELS).map(([label]) => label);
  const counts = new Map();
  for (const { hour, label, n } of labels) {
    const at = `${label}/${Math.floor(hour / step) - first}`;
    counts.set(at, (counts.get(at) ?? 0) + n);
  }
  const most = Math.max(...counts.values()), wide = 100 / columns, tall = 22;
  const picture = svg("svg", { viewBox: `0 0 100 ${names.length * tall}`, preserveAspectRatio: "none", width: "100%", height: names.length * tall, "aria-hidden": "true" });
  names.forEach((name, row) => {
    for (let column = 0; column < columns; column++) {
      const n = counts.get(`${name}/${column}`) ?? 0;
      const field = svg("rect", { x: column * wide + wide * 0.06, y: row * tall + 2, width: wide * 0.88, height: tall - 4 }, svg("title", {}));
      field.firstChild.textContent = `${name}: ${n}, ${moment((first + column) * step * 3600)}`;
      field.style.fill = n ? hue(name) : "var(--zero)";
      field.style.opacity = n ? 0.25 + (0.75 * n) / most : 0.6;
      picture.append(field);
    }
  });
  const table = h("table", { class: "hidden" }, h("caption", {}, "Images by label"), ...names.map((name) => h("tr", {}, h("th", {}, name), h("td", {}, String(totals.get(name))))));
  const legend = h("div", {}, ...names.map((name) => {
    const line = h("div", { class: "quiet" }, `${name} `, h("b", {}, totals.get(name).toLocaleString("en")));
    line.style.height = line.style.lineHeight = `${tall}px`;
    return line;
  }));
  const holder = h("div", {}, legend, h("div", {}, picture), table);
  holder.style.cssText = "display:grid;grid-template-columns:auto 1fr;gap:0 1rem;align-items:start";
  return holder;
}
