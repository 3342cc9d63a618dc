/** The steps of a turn, from what the journal says of it: waiting, the model, what it streams, tools.  Pure. */

const MAX_STEPS = 100;

/**
 * @typedef {object} Step
 * @property {"wait"|"model"|"stream"|"tool"} kind
 * @property {string} name
 * @property {number} from   ms since the turn began
 * @property {number} to
 * @property {boolean} isOpen  its end was never told
 * @property {import("./history.js").Fact[]} facts  what it was made of
 */

/**
 * @param {import("./history.js").Fact[]} facts  of one turn
 * @returns {{tookMs: number, ended: string, steps: Step[]}}  `ended` is empty when nobody said so
 */
export function waterfall(facts) {
  const sorted = [...facts].sort((a, b) => a.at - b.at || a.id - b.id);
  const first = sorted[0];
  const turn = sorted.find((one) => one.type === "llm.turn");
  const waited = Math.max(0, Number(turn?.data.waited_ms) || 0);
  const begin = first ? Math.min(first.at, (turn?.at ?? first.at) - waited) : 0;
  const end = sorted.at(-1)?.at ?? 0;
  const steps = [];
  const open = new Map();
  const start = (key, kind, name, fact, at = fact.at) => {
    if (steps.length >= MAX_STEPS) return;
    const step = { kind, name, from: at - begin, to: end - begin, isOpen: true, facts: [fact] };
    steps.push(step);
    open.set(key, step);
  };
  const stop = (key, fact) => {
    const step = open.get(key);
    if (!step) return;
    open.delete(key);
    Object.assign(step, { to: fact.at - begin, isOpen: false });
    step.facts.push(fact);
  };
  for (const fact of sorted) {
    const { data, type } = fact;
    if (type === "llm.turn" && waited > 0) {
      start("wait", "wait", "Waited", fact, begin);
      stop("wait", fact);
    } else if (type === "llm.model_request") start("model", "model", String(data.model ?? "model"), fact);
    else if (type === "llm.first_words") {
      stop("model", fact);
      start("stream", "stream", "Answer", fact);
    } else if (type === "llm.model_answer") {
      const asked = open.get("model") ?? steps.findLast((one) => one.kind === "model");
      stop("model", fact);
      stop("stream", fact);
      if (asked && !asked.facts.includes(fact)) asked.facts.push(fact);
    } else if (type === "llm.tool_call") start(`tool ${data.call_id}`, "tool", String(data.name ?? "tool"), fact);
    else if (type === "llm.tool_result") stop(`tool ${data.call_id}`, fact);
  }
  const ended = sorted.find((one) => one.type === "llm.ended");
  return { tookMs: end - begin, ended: String(ended?.data.ended ?? ""), steps };
}

/** What the model was asked and what it said, of the steps where it was asked; ids of the entries. */
export const exchangeOf = (step) => step.facts.filter((one) => one.type === "llm.model_request" || one.type === "llm.model_answer").map((one) => one.id).filter(Number.isFinite);
