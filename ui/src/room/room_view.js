/**
 * One room as a page shows it: the connection, who is here, what they offer, and the chat that is open; as signals.
 */

import { post, seg } from "../core/api.js";
import { rooms } from "../core/live.js";
import { computed, effect, signal } from "../core/html.js";
import { Chat } from "./chat.js";
import { RoomClient } from "./client.js";
import { readJournal } from "./history.js";
import { badRoomName } from "./room_name.js";
import { Runs } from "./runs.js";
import { ThreadTitles } from "./thread_titles.js";

const SETTLE_MS = 150;
const MAX_LOG_ENTRIES = 500;
/** So many entries of the developer log from before we came are shown. */
const REMEMBERED = 200;
const CHECK_EVERY_MS = 30_000;

/**
 * @typedef {object} Someone
 * @property {string} id
 * @property {string} name
 * @property {"human"|"agent"|"tool"} kind
 * @property {boolean} isSelf
 * @property {boolean} canChat
 * @property {string[]} tasks      names of the agents it runs tasks for
 * @property {string[]} toolkits
 * @property {Record<string, any>} attributes
 */

export class RoomView {
  /** @param {string} name of the room  @param {string} person */
  constructor(name, person) {
    this.name = name;
    this.person = person;
    this.client = new RoomClient({ address: () => addressOf(name, person) });
    /** @type {import("@preact/signals").Signal<import("./client.js").State>} */
    this.state = signal("connecting");
    this.reason = signal("");
    /** Others with messaging, as the room tells us directly. */
    this.visible = signal([]);
    /** @type {import("@preact/signals").Signal<any[]|null>} task runners; null until known */
    this.agents = signal(null);
    /** @type {import("@preact/signals").Signal<Record<string, any>|null>} toolkits by name; null until known */
    this.toolkits = signal(null);
    /** Goes up whenever a file of the room changed. */
    this.filesChanged = signal(0);
    /** The developer log, oldest first: what the room remembers, and what came since. */
    this.log = signal([]);
    /** @type {import("@preact/signals").Signal<Chat|null>} */
    this.chat = signal(null);
    this.runs = new Runs(this.client);
    this.titles = new Map();
    this.people = computed(() => this.everybody());
    const { client } = this;
    client.on("state", (state) => {
      this.state.value = state;
      this.reason.value = client.reason;
    });
    client.on("participants", () => {
      this.visible.value = [...client.participants.values()];
      this.look();
    });
    client.on("open", () => {
      // What agents tell their model and which tools they call is shown under the turns.
      client.request("developer.watch").catch(() => {});
      readJournal(client, { limit: REMEMBERED }).then((entries) => (this.log.value = entries), () => {});
      this.look();
    });
    let logged = 0;
    client.on("push:developer.log", ({ header }) => {
      const data = header.data && typeof header.data === "object" ? header.data : { value: header.data };
      const entry = { id: (logged += 1), at: Date.now(), type: String(header.type ?? "log"), data };
      this.log.value = [...this.log.value.slice(1 - MAX_LOG_ENTRIES), entry];
    });
    for (const what of ["updated", "deleted", "moved"]) {
      client.on(`push:storage.file.${what}`, () => (this.filesChanged.value += 1));
    }
    this.stops = [
      effect(() => {
        if (rooms.value) this.look();
      }),
    ];
    const look = () => {
      if (document.hidden) return;
      client.retry();
      client.check();
    };
    const timer = setInterval(() => client.check(), CHECK_EVERY_MS);
    addEventListener("online", look);
    document.addEventListener("visibilitychange", look);
    this.stops.push(() => {
      clearInterval(timer);
      removeEventListener("online", look);
      document.removeEventListener("visibilitychange", look);
    });
    client.connect();
  }

  /** Open the thread of an agent; the one that was open is left. */
  openChat(agent, path) {
    const open = this.chat.peek();
    if (open?.agent === agent && open.path === path) return;
    open?.close();
    this.chat.value = agent ? new Chat(this.client, { agent, path }) : null;
  }

  /** What the threads of an agent are called. @returns {ThreadTitles} */
  titlesOf(agent) {
    if (!this.titles.has(agent)) this.titles.set(agent, new ThreadTitles(this.client, agent));
    return this.titles.get(agent);
  }

  /** Empty a thread, with whatever the agent and the room remember of it. */
  async forgetThread(agent, path) {
    const open = this.chat.peek();
    const chat = open?.agent === agent && open.path === path ? open : new Chat(this.client, { agent, path });
    try {
      await chat.thread.ready();
      await chat.clear();
      chat.thread.clear();
      await chat.thread.flush();
    } finally {
      if (chat !== open) await chat.close();
    }
  }

  async close() {
    clearTimeout(this.looking);
    this.stops.forEach((stop) => stop());
    this.runs.close();
    await Promise.all([...this.titles.values()].map((one) => one.close()));
    await this.chat.peek()?.close();
    this.client.close();
  }

  // ---- inside

  /** Ask who offers what; soon, and once for many changes. */
  look() {
    clearTimeout(this.looking);
    this.looking = setTimeout(async () => {
      if (this.client.state !== "open") return;
      try {
        const [agents, toolkits] = await Promise.all([this.client.ask("agent.list_agents"), this.client.ask("agent.list_toolkits")]);
        this.agents.value = agents?.agents ?? [];
        this.toolkits.value = toolkits?.tools ?? {};
      } catch {
        // gone again, or not allowed: what was known stays
      }
    }, SETTLE_MS);
  }

  /** @returns {Someone[]} everybody who is in the room, agents first */
  everybody() {
    const known = new Map();
    const listed = rooms.value?.find((room) => room.name === this.name);
    const isOpen = this.state.value === "open";
    for (const one of listed?.participants ?? []) {
      // Who has messaging is known to us at once, also that they left; the list is a moment behind.
      if (isOpen && one.visible && one.id !== this.client.selfId && !this.visible.value.some((other) => other.id === one.id)) continue;
      known.set(one.id, someone(one, { toolkits: one.toolkits, tasks: one.agents }));
    }
    for (const one of this.visible.value) {
      const was = known.get(one.id);
      known.set(one.id, someone(one, { toolkits: was?.toolkits, tasks: was?.tasks, canChat: one.role === "agent" }));
    }
    for (const [kit, { participant_id: id }] of Object.entries(this.toolkits.value ?? {})) {
      const host = known.get(id);
      if (host && !host.toolkits.includes(kit)) host.toolkits.push(kit);
    }
    if (isOpen) known.set(this.client.selfId, { ...someone({ id: this.client.selfId, role: "user", attributes: { name: this.client.name } }), isSelf: true });
    const order = { agent: 0, tool: 1, human: 2 };
    return [...known.values()].sort((a, b) => b.canChat - a.canChat || order[a.kind] - order[b.kind] || a.name.localeCompare(b.name));
  }
}

function someone(one, { toolkits = [], tasks = [], canChat = one.visible === true && one.role === "agent" } = {}) {
  const isTool = one.role === "tool" || (one.role === "agent" && !canChat && !tasks.length && toolkits.length > 0);
  return {
    id: one.id,
    name: String(one.attributes?.name ?? one.name ?? "somebody"),
    kind: one.role === "user" ? "human" : isTool ? "tool" : "agent",
    isSelf: false,
    canChat,
    tasks: [...tasks],
    toolkits: [...toolkits],
    attributes: one.attributes ?? {},
  };
}

async function addressOf(room, name) {
  let token;
  const why = badRoomName(room);
  if (why) throw Object.assign(new Error(why), { final: true });
  try {
    ({ token } = await post(`/rooms/${seg(room)}/token`, { name, containers: true }));
  } catch (error) {
    // Asking again would not make it another room, or another reader.
    error.final = [400, 401, 403, 404, 409, 422, 423].includes(error.status);
    throw error;
  }
  const address = new URL(`/rooms/${seg(room)}`, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  address.search = new URLSearchParams({ token }).toString();
  return address.href;
}
