// The link: who hears whom how well, what is lost, and what was refused, with its sentence.
import { get, h, table } from "./dom.js";
import { called, duration, figure, moment, percent } from "./words.js";

const AGAIN_MS = 15000, MOST_GATEWAYS = 12;

export async function show(root) {
  let days = 1;
  const body = h("div", { class: "cards" });
  const spans = [[1, "24 h"], [30, "30 d"]].map(([n, text]) => h("button", { type: "button", "aria-pressed": String(n === days), onclick: () => { days = n; spans.forEach((button, i) => button.setAttribute("aria-pressed", String([1, 30][i] === n))); load(); } }, text));
  const sum = h("p", { class: "sum" });
  root.append(h("div", { class: "tools" }, h("h1", {}, "Link"), sum, h("div", { class: "group" }, ...spans)), body);

  async function load() {
    const [found, { nodes }] = await Promise.all([get("/api/1/link", { days }), get("/api/1/nodes")]);
    sum.textContent = `${figure(found.links.reduce((n, one) => n + one.n_packets, 0))} packets heard`;
    body.replaceChildren(
      h("section", { class: "card w12" }, h("h2", {}, "Gateway by node: SNR, and the share of its packets heard there"), matrix(found.links, nodes)),
      ...(found.gateways?.length ? [h("section", { class: "card w12" }, h("h2", {}, "Airtime of the gateways"), duty(found.gateways))] : []),
      h("section", { class: "card w12" }, h("h2", {}, "Nodes, since the host's last start"), figures(found.nodes, nodes)),
      h("section", { class: "card w12" }, h("h2", {}, "What was refused"), refusals(found.refusals)));
  }

  await load();
  const timer = setInterval(() => load().catch(() => {}), AGAIN_MS);
  return () => clearInterval(timer);
}

const none = (text) => h("p", { class: "quiet" }, text);
const names = (nodes) => new Map(nodes.map((node) => [`${node.site}/${node.number}`, called(node)]));
const nodeLink = (key, name) => h("a", { href: `/nodes/${key.split("/").map(encodeURIComponent).join("/")}` }, name ?? key);

function matrix(links, nodes) {
  if (!links.length) return none("Nothing was heard in this time.");
  const gateways = [...new Set(links.map((one) => one.gateway))].slice(0, MOST_GATEWAYS), called = names(nodes);
  const by = Map.groupBy ? Map.groupBy(links, key) : links.reduce((map, one) => map.set(key(one), [...(map.get(key(one)) ?? []), one]), new Map());
  const line = ([node, heard]) => {
    const all = Math.max(...heard.map((one) => one.n_heard_by_any ?? one.n_packets));
    return h("tr", {}, h("th", { scope: "row" }, nodeLink(node, called.get(node))), ...gateways.map((gateway) => {
      const one = heard.find((link) => link.gateway === gateway);
      if (!one) return h("td", {}, h("span", { class: "quiet" }, "–"));
      const cell = h("span", { title: `${one.n_packets} packets, ${figure(one.rssi_dbm, "dBm", 0)}` }, `${one.snr_db == null ? "heard" : figure(one.snr_db, "dB")} · ${percent(one.n_packets / all)}`);
      const good = one.snr_db == null ? 0.4 : Math.min(1, Math.max(0, (one.snr_db + 15) / 25));
      cell.style.background = `color-mix(in oklab, var(--accent) ${Math.round(55 * good)}%, var(--zero))`;
      return h("td", {}, cell);
    }));
  };
  return h("div", { class: "scroll" }, h("table", { class: "heat" }, h("thead", {}, h("tr", {}, h("th", {}, ""), ...gateways.map((one) => h("th", { scope: "col" }, one)))), h("tbody", {}, ...[...by].map(line))));
}

const key = (one) => `${one.site}/${one.node}`;

function duty(gateways) {
  return table(["gateway", "used", "of", "share"], gateways.map((one) => [one.gateway, duration(one.used_s), duration(one.limit_s), percent(one.used_s / one.limit_s, 1)]));
}

function figures(rows, nodes) {
  if (!rows.length) return none("Nothing is counted yet.");
  const called = names(nodes);
  return table(["node", "sent", "lost", "share", "lost by chunk", "duplicate", "replayed", "bad tag", "airtime up", "down", "stopped by verdict"], rows.map((one) => [
    nodeLink(key(one), called.get(key(one))), figure(one.sent), figure(one.lost), percent(one.loss_ratio, 1),
    Object.entries(one.lost_by_chunk ?? {}).map(([chunk, n]) => `${chunk}: ${n}`).join(", ") || "–",
    figure(one.duplicate), figure(one.replayed), figure(one.bad_tag), duration(one.airtime_s), duration(one.downlink_airtime_s), figure(one.decided)]));
}

function refusals(rows) {
  if (!rows.length) return none("Nothing was refused.");
  return table(["reason", "times", "last", "last sentence"], rows.map((one) => [one.reason, figure(one.n), moment(one.last_s), one.last_sentence]), 3);
}
