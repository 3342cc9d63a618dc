/** An entry of a room's developer log in a line: what is most telling of it.  Pure. */
const MAX_CHARS = 200;
/** What says where an entry belongs, and nothing to who reads it. */
const IDS = new Set(["path", "turn_id", "run"]);

export function logLine(data) {
  const told = data.message ?? data.name ?? data.asker ?? data.model;
  const tools = Array.isArray(data.tools) ? data.tools.join(", ") : undefined;
  const tokens = data.output_tokens === undefined ? undefined : `${data.input_tokens ?? 0} tokens in, ${data.output_tokens} out`;
  const rest = data.output ?? data.arguments ?? tools ?? data.text ?? tokens;
  const telling = [told, rest].filter((one) => one !== undefined && one !== null && one !== "").map(words);
  const all = telling.length ? telling : Object.entries(data).filter(([name]) => !IDS.has(name)).map(([name, value]) => `${name} ${words(value)}`);
  return all.join(" · ").slice(0, MAX_CHARS);
}

const words = (value) => (typeof value === "string" ? value : JSON.stringify(value));
