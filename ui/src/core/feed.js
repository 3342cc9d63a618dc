/**
 * What `/studio/live` says, one connection for all tabs of a browser.
 *
 * A browser has six connections to a server, for all its tabs, and a stream holds one.  So a worker that the
 * tabs share has the stream (`feed_worker.js`) and passes on what comes; where there is no such worker, each tab
 * has a stream of its own.
 */
const ADDRESS = "/studio/live";

/**
 * @param {string[]} kinds of events.
 * @param {{heard: (kind: string, data: string) => void, failed: (isOver: boolean) => void}} reader `failed` says
 *   whether the stream is over or is tried again by itself.
 * @returns {() => void} what gives it up.
 */
export function openFeed(kinds, reader) {
  return typeof SharedWorker === "undefined" ? ownFeed(kinds, reader) : sharedFeed(kinds, reader);
}

function ownFeed(kinds, { heard, failed }) {
  const source = new EventSource(ADDRESS);
  for (const kind of kinds) source.addEventListener(kind, (event) => heard(kind, event.data));
  source.onerror = () => failed(source.readyState === EventSource.CLOSED);
  return () => source.close();
}

function sharedFeed(kinds, { heard, failed }) {
  const { port } = new SharedWorker("/studio/feed_worker.js", { name: "studio-feed" });
  let isOpen = true;
  port.onmessage = ({ data: [kind, data] }) => {
    if (!isOpen) return;
    if (kind === "failed") failed(data);
    else heard(kind, data);
  };
  port.postMessage({ address: ADDRESS, kinds });
  const leave = () => {
    isOpen = false;
    removeEventListener("pagehide", leave);
    port.postMessage("leave");
    port.close();
  };
  addEventListener("pagehide", leave); // of a tab that is closed, nobody else tells the worker
  return leave;
}
