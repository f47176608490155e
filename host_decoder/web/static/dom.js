// Elements, and what the host answers. Text is only ever set as text.

export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  fill(element, given);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, given = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(given)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function fill(element, given) {
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "hue") element.style.setProperty("--hue", value);
    else if (name === "share") element.style.width = `${100 * value}%`;
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
}

export async function get(path, query = {}) {
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value != null));
  return answer(await fetch(asked.size ? `${path}?${asked}` : path));
}

export async function post(path, content) {
  const headers = { "content-type": "application/json" };
  return answer(await fetch(path, { method: "POST", headers, body: JSON.stringify(content) }));
}

async function answer(response) {
  if (response.status === 401) location.assign("/login");
  if (!response.ok) throw new Error((await response.text()).trim() || response.statusText);
  return response.json();
}

// Rows of cells below a head; the column `wrapped` holds sentences.
export function table(head, rows, wrapped = -1) {
  return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ...head.map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((cell, index) => h("td", { class: index === wrapped ? "wrap" : null }, cell)))))));
}

let quiet;

// A sentence for the person, also for one who listens to the page.
export function say(sentence, seconds = 6) {
  document.getElementById("said").textContent = sentence;
  clearTimeout(quiet);
  quiet = setTimeout(() => (document.getElementById("said").textContent = ""), seconds * 1000);
}

export function debounced(run, ms) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(run, ms, ...given);
  };
}
