// When a node is called silent: by its own period, and never before there is one.
import { ago } from "./words.js";

const PERIODS = 3, SHORTEST_S = 60, UNKNOWN_S = 86400;

export const isSilent = (node, now) =>
  node.heard_s == null || now - node.heard_s > Math.max(SHORTEST_S, PERIODS * (node.period_s ?? UNKNOWN_S / PERIODS));

export const silence = (node, now) => (node.heard_s == null ? "not heard yet" : `silent for ${ago(now - node.heard_s)}`);
