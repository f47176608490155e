// Alerts: what is raised, since when, and which nodes a person wants to hear nothing of for a while.
import { get, h, post, say, table } from "./dom.js";
import { about } from "./main.js";
import { listen } from "./live.js";
import { ago, called, count, moment } from "./words.js";

const AGAIN_MS = 5000;
const SPANS = [[3600, "1 h"], [86400, "1 day"], [604800, "1 week"]];

export async function show(root) {
  const [known, { nodes }] = await Promise.all([about, get("/api/1/nodes")]);
  const names = new Map(nodes.map((node) => [`${node.site}/${node.number}`, called(node)]));
  const sum = h("p", { class: "sum" }), raised = h("div", {}), muted = h("div", {});
  root.append(h("div", { class: "tools" }, h("h1", {}, "Alerts"), sum),
    h("div", { class: "cards" }, h("section", { class: "card w12" }, h("h2", {}, "Raised"), raised), h("section", { class: "card w12" }, h("h2", {}, "Muted"), muted)));
  let before = "";

  async function mute(one, seconds) {
    try {
      await post("/api/1/alerts", { site: one.site, node: one.node, for_s: seconds });
      say(seconds ? `Nothing new is told of ${name(one)}` : `${name(one)} is no longer muted`);
      await load();
    } catch (error) {
      say(error.message);
    }
  }

  async function load() {
    const { alerts, muted: quiet, rules, now_s: now } = await get("/api/1/alerts");
    sum.textContent = rules.length ? `${count(alerts.length, "alert")} raised · watched: ${rules.join(", ")}` : "host.toml has no [[alert]], so nothing is watched";
    const text = JSON.stringify([alerts.map((one) => [one, ago(now - one.since_s)]), quiet]);
    if (text === before) return;
    before = text;
    const isMuted = new Set(quiet.map((one) => `${one.site}/${one.node}`));
    raised.replaceChildren(alerts.length ? table(["since", "node", "what", "alert", ""], alerts.map((one) => [
      h("time", { title: moment(one.since_s) }, ago(Math.max(0, now - one.since_s))), link(one), one.sentence, one.rule,
      known.role === "viewer" || isMuted.has(`${one.site}/${one.node}`) ? "" : h("span", { class: "group" }, ...SPANS.map(([seconds, text]) => h("button", { type: "button", "aria-label": `Mute ${name(one)} for ${text}`, onclick: () => mute(one, seconds) }, `Mute ${text}`)))]), 2) : h("p", { class: "quiet" }, "None."));
    muted.replaceChildren(quiet.length ? table(["node", "until", ""], quiet.map((one) => [link(one), moment(one.until_s),
      known.role === "viewer" ? "" : h("button", { type: "button", "aria-label": `Tell of ${name(one)} again`, onclick: () => mute(one, 0) }, "Tell again")])) : h("p", { class: "quiet" }, "No node. What is muted begins no new alert; what is raised already ends as ever."));
  }

  const name = (one) => names.get(`${one.site}/${one.node}`) ?? `Node ${one.node}`;
  const link = (one) => h("a", { href: `/nodes/${encodeURIComponent(one.site)}/${one.node}` }, name(one));

  await load();
  const again = () => load().catch(() => {});
  const stop = listen((message) => (message.said?.length || message.kind === "resync") && again());
  const timer = setInterval(again, AGAIN_MS);
  return () => {
    stop();
    clearInterval(timer);
  };
}
