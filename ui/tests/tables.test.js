import assert from "node:assert/strict";
import { test } from "node:test";
import { edited, likeRow, namespace, shown, typed } from "../src/room/tables.js";

const of = (type, more = {}) => ({ type, ...more });
const COLUMNS = [
  { name: "id", type: of("int") },
  { name: "it is", type: of("text") },
  { name: "ok", type: of("bool") },
  { name: "raw", type: of("binary") },
  { name: "near", type: of("vector", { size: 2 }) },
];

test("a row is told from others by all that can be compared", () => {
  const row = { id: 1, "it is": "O'B", ok: false, raw: { encoding: "base64", data: "AQI=" }, near: [1, 2] };
  assert.equal(likeRow(row, COLUMNS), "`id` = 1 AND `it is` = 'O''B' AND `ok` = false");
  assert.equal(likeRow({ id: null }, COLUMNS), "`id` IS NULL AND `it is` IS NULL AND `ok` IS NULL");
  assert.equal(likeRow(row, COLUMNS.slice(3)), "");
});

test("values are shown in a line", () => {
  assert.equal(shown(null, of("text")), "");
  assert.equal(shown(false, of("bool")), "false");
  assert.equal(shown({ encoding: "base64", data: "AQI=" }, of("binary")), "2 bytes");
  assert.equal(shown([1, 2], of("vector")), "[1, 2]");
  assert.equal(shown(Array(1536).fill(0), of("vector")), "[0, 0, 0, 0, 0, 0, 0, 0, … 1536]");
});

test("what is typed becomes what the column takes", () => {
  assert.equal(typed("  ", of("text")), "  ");
  assert.equal(typed(" ", of("int")), null);
  assert.equal(typed("1e3", of("int")), 1000);
  assert.equal(typed("True", of("bool")), true);
  assert.equal(typed(" 2026-01-02 ", of("date")), "2026-01-02");
  assert.deepEqual(typed("[1, 2]", of("vector")), [1, 2]);
  for (const [text, type] of [["1.5", "int"], ["x", "float"], ["yes", "bool"], ["[1", "list"]]) {
    assert.throws(() => typed(text, of(type)), /number|true or false|JSON/);
  }
  for (const [value, type] of [["a", "text"], [1.5, "float"], [[1, null], "list"], [true, "bool"]]) {
    assert.deepEqual(typed(edited(value, of(type)), of(type)), value);
  }
});

test("a namespace is typed with slashes", () => {
  assert.equal(namespace(""), null);
  assert.deepEqual(namespace("/a/b/"), ["a", "b"]);
});
