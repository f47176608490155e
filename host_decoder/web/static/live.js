// What is new, by one connection for all tabs of this browser: browsers open no more than six to a
// host, so a seventh tab would wait for ever. One tab holds the connection, by a lock of that name,
// and tells the others; when it closes, another goes on from the last id that it heard.
const channel = new BroadcastChannel("latentlink-live");
const listeners = new Set();
const AGAIN_MS = 4000, ASK_MS = 1500;
let lastId = "", isLeader = false, state = "connecting";

export function listen(listener) {
  listeners.add(listener);
  listener({ kind: "state", state });
  return () => listeners.delete(listener);
}

function told(message) {
  if (message.id) lastId = message.id;
  if (message.kind === "state") state = message.state;
  for (const listener of listeners) listener(message);
}

channel.onmessage = ({ data }) => {
  if (data.kind === "who") isLeader && channel.postMessage({ kind: "state", state });
  else told(data);
};

function tell(message) {
  told(message);
  channel.postMessage(message);
}

function connect() {
  const source = new EventSource(`/live${lastId && `?after=${lastId}`}`);
  source.onopen = () => tell({ kind: "state", state: "live" });
  source.onerror = () => {
    tell({ kind: "state", state: "away" });
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN_MS);
  };
  source.addEventListener("here", ({ lastEventId: id }) => tell({ kind: "here", id }));
  source.addEventListener("resync", ({ lastEventId: id }) => tell({ kind: "resync", id }));
  source.addEventListener("news", ({ data, lastEventId: id }) => tell({ kind: "news", id, ...JSON.parse(data) }));
}

function lead() {
  isLeader = true;
  connect();
  return new Promise(() => {}); // until the tab closes
}

if (navigator.locks) navigator.locks.request("latentlink-live", lead);
else lead(); // an address without TLS that is not this machine's
setTimeout(() => isLeader || channel.postMessage({ kind: "who" }), 50);
setTimeout(() => isLeader || state === "live" || channel.postMessage({ kind: "who" }), ASK_MS);
