/** Calling the tools and giving the tasks of a room. */

import { RoomError } from "./client.js";

const MAX_CHUNKS = 1_000;

/**
 * Call a tool; resolves to the content it answered, of a streamed answer to all its chunks.
 * @param {import("./client.js").RoomClient} room
 * @param {{toolkit: string, tool: string, host?: string|null, input: any, signal?: AbortSignal}} call
 */
export async function invoke(room, { toolkit, tool, host = null, input, signal }) {
  const id = crypto.randomUUID();
  const chunks = [];
  let settle;
  const over = new Promise((resolve, reject) => (settle = { resolve, reject }));
  over.catch(() => {}); // heard below, once the answer has come
  const stops = [
    room.on("push:room.tool_call_response_chunk", ({ header, data }) => {
      if (header.tool_call_id !== id || !header.chunk) return;
      const { chunk } = header;
      if (chunk.type === "control" && chunk.method === "close") {
        if ([undefined, null, 1000].includes(chunk.status_code)) settle.resolve();
        else settle.reject(new RoomError(chunk.message || "The tool ended with an error.", chunk.status_code));
      } else if (chunks.length < MAX_CHUNKS) chunks.push({ ...chunk, data });
    }),
    room.on("lost", () => settle.reject(new RoomError("The connection was lost before the tool answered."))),
    room.on("left", (one) => one.id === host && settle.reject(new RoomError("The tool's host left the room."))),
  ];
  try {
    const header = { toolkit, tool, participant_id: host, on_behalf_of_id: null, arguments: { type: "json", json: input }, tool_call_id: id };
    const answer = await room.request("room.invoke_tool", header, undefined, { signal });
    if (answer.type !== "control" || answer.method !== "open") return answer;
    signal?.addEventListener("abort", () => settle.reject(signal.reason));
    await over;
    return joined(chunks);
  } finally {
    stops.forEach((stop) => stop());
  }
}

/** Give a task; resolves to its answer. */
export async function ask(room, agent, input, signal) {
  const { answer } = (await room.ask("agent.ask", { agent, arguments: input }, undefined, { signal })) ?? {};
  return { type: "json", json: answer };
}

function joined(chunks) {
  if (chunks.length === 1) return chunks[0];
  if (chunks.length && chunks.every((chunk) => chunk.type === "text")) return { type: "text", text: chunks.map((chunk) => chunk.text).join("") };
  return { type: "json", json: chunks.map(({ data, ...chunk }) => chunk.json ?? chunk.text ?? chunk) };
}
