// Figures and times as a person reads them, and the colour of a label.

export function ago(seconds) {
  if (seconds < 1) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

export const percent = (value, digits = 0) => (value == null ? "–" : `${(100 * value).toFixed(digits)} %`);

export const figure = (value, unit = "", digits = 1) =>
  value == null ? "–" : `${Number.isInteger(value) ? value.toLocaleString("en") : value.toFixed(digits)}${unit && ` ${unit}`}`;

export function moment(unix) {
  const at = new Date(unix * 1000);
  const isToday = at.toDateString() === new Date().toDateString();
  const time = at.toTimeString().slice(0, 8);
  return isToday ? time : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time.slice(0, 5)}`;
}

const two = (number) => String(number).padStart(2, "0");

// Neighbours on the circle of hues are far from each other in the order of labels (golden angle).
const known = new Map();

export function hue(label) {
  if (!known.has(label)) known.set(label, (known.size * 137.508 + 195) % 360);
  return `oklch(var(--label-l) var(--label-c) ${known.get(label).toFixed(1)})`;
}

export const count = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

export const called = (node) => node.name || `Node ${node.number}`;

export const duration = (seconds) => (seconds == null ? "–" : seconds < 10 ? `${seconds.toFixed(1)} s` : ago(seconds));
