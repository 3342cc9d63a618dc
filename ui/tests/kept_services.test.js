import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { change, isBehind, update } from "../src/core/kept_services.js";

const real = globalThis.fetch;
afterEach(() => (globalThis.fetch = real));
const SERVICE = { id: "s1", room: "" };

/** A server that keeps one service, whose revisions others make as well: `meanwhile` is run before each change. */
function serves(meanwhile = () => {}) {
  const kept = { revision: 1, manifest: { enabled: true, image: "a" } };
  const answer = (body, status = 200) => new Response(JSON.stringify(body), { status });
  globalThis.fetch = async (path, { method, body }) => {
    const at = new URL(path, "http://here");
    if (at.pathname === "/accounts/projects") return answer({ projects: [{ id: "p" }] });
    if (at.pathname.endsWith("/revisions")) return answer({ revisions: [{ revision: kept.revision }] });
    if (method === "GET") return answer(kept.manifest);
    meanwhile(kept);
    if (Number(at.searchParams.get("revision")) !== kept.revision) return answer({ type: "urn:bulkhead:problem:changed_meanwhile", title: "It was changed meanwhile" }, 409);
    Object.assign(kept, { revision: kept.revision + 1, manifest: JSON.parse(body) });
    return answer(kept.manifest);
  };
  return kept;
}

test("an edit is of the revision that it was made from", async () => {
  const kept = serves();
  kept.revision = 2;
  await assert.rejects(update(SERVICE, { image: "b" }, 1), isBehind);
  assert.equal(kept.manifest.image, "a");
  await update(SERVICE, { image: "b" }, 2);
  assert.equal(kept.manifest.image, "b");
});

test("a change by a function is made anew of what another one has changed", async () => {
  let others = 2;
  const kept = serves((now) => {
    if (others-- > 0) Object.assign(now, { revision: now.revision + 1, manifest: { ...now.manifest, image: `b${others}` } });
  });
  await change(SERVICE, (manifest) => ({ ...manifest, enabled: false }));
  assert.deepEqual(kept, { revision: 4, manifest: { enabled: false, image: "b0" } });
});

test("a change that others overtake again and again is given up", async () => {
  serves((now) => (now.revision += 1));
  await assert.rejects(change(SERVICE, (manifest) => manifest), isBehind);
});
