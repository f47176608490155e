// The desk: who may come in, and who changed what.
import { get, h, table } from "./dom.js";
import { about } from "./main.js";
import { moment } from "./words.js";

export async function show(root) {
  const [{ entries, tokens }, known] = await Promise.all([get("/api/1/audit"), about]);
  const out = known.can_sign_out ? h("form", { method: "post", action: "/logout" }, h("button", {}, "Sign out")) : null;
  root.append(h("div", { class: "tools" }, h("h1", {}, "Desk"), h("p", { class: "sum" }, `${known.name}, ${known.role} · version ${known.version}`), out),
    h("div", { class: "cards" },
      h("section", { class: "card w5" }, h("h2", {}, "Tokens"), tokens.length ? table(["for", "role", "made", "until"], tokens.map((one) => [one.name, one.role, moment(one.made_s), one.expires_s ? moment(one.expires_s) : "it is taken out"])) : h("p", { class: "quiet" }, "None: whoever is at this machine sees everything. ", h("code", {}, "latentlink host token NAME"), " makes one.")),
      h("section", { class: "card w7" }, h("h2", {}, "What was changed"), entries.length ? table(["when", "who", "what"], entries.map((one) => [moment(one.at_s), one.who, one.what])) : h("p", { class: "quiet" }, "Nothing yet."))));
}
