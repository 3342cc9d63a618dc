/**
 * The worker that all tabs of Studio share: it has the one stream, and passes on what comes.
 *
 * Who joins needs the whole picture, which a stream says at its begin: so the stream is begun anew, and the
 * others get the picture once more.
 */
const ports = new Set();
let source = null;
let asked = null;
let joining = 0;

self.onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data === "leave") return left(port);
    asked = data;
    ports.add(port);
    // Tabs that come together, as those of a browser that is started again, get one stream together.
    joining ||= setTimeout(begin, 20);
  };
};

function left(port) {
  ports.delete(port);
  if (ports.size === 0) end();
}

function begin() {
  end();
  if (ports.size === 0) return;
  const mine = (source = new EventSource(asked.address));
  for (const kind of asked.kinds) mine.addEventListener(kind, (event) => tell([kind, event.data]));
  mine.onerror = () => {
    const isOver = mine.readyState === EventSource.CLOSED;
    if (isOver) end();
    tell(["failed", isOver]);
  };
}

function end() {
  clearTimeout(joining);
  joining = 0;
  source?.close();
  source = null;
}

function tell(message) {
  for (const port of ports) port.postMessage(message);
}
