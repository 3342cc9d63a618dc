import assert from "node:assert/strict";
import { test } from "node:test";
import { at, choiceOf, initial, kindOf, prune, resolve, validate } from "../src/parts/schema.js";

const errors = (value, schema) => Object.fromEntries(validate(value, schema));
const object = (properties, required = []) => ({ type: "object", properties, required, additionalProperties: false });

test("it says what is wrong, and where", () => {
  const schema = object(
    {
      task: { type: "string", enum: ["sum", "mean"] },
      values: { type: "array", items: { type: "number", minimum: 0 }, minItems: 1 },
      who: object({ name: { type: "string", minLength: 1 }, age: { type: "integer" } }, ["name"]),
    },
    ["task"],
  );
  assert.deepEqual(errors({}, schema), { "/task": "is required" });
  assert.deepEqual(errors({ task: "x" }, schema), { "/task": "must be one of the choices" });
  assert.deepEqual(errors({ task: "sum", values: [] }, schema), { "/values": "needs at least 1 entry" });
  assert.deepEqual(errors({ task: "sum", values: [1, "x", -1, null] }, schema), {
    "/values/1": "must be a number",
    "/values/2": "must be at least 0",
    "/values/3": "is missing",
  });
  assert.deepEqual(errors({ task: "sum", who: { name: "", age: 1.5 } }, schema), { "/who/name": "must not be empty", "/who/age": "must be a whole number" });
  assert.deepEqual(errors({ task: "sum", more: 1 }, schema), { "": "has no property “more”" });
  assert.deepEqual(errors([], schema), { "": "must be an object" });
  assert.deepEqual(errors({ task: "sum", values: [1, 2.5], who: { name: "a" } }, schema), {});
});

test("bounds, formats and patterns", () => {
  const one = (value, schema) => validate(value, schema).get("");
  assert.match(one(11, { type: "number", maximum: 10 }), /at most 10/);
  assert.match(one(10, { type: "number", exclusiveMaximum: 10 }), /less than 10/);
  assert.equal(one(0.3, { type: "number", multipleOf: 0.1 }), undefined);
  assert.match(one(0.35, { type: "number", multipleOf: 0.1 }), /multiple of 0.1/);
  assert.match(one("👋👋", { type: "string", maxLength: 1 }), /at most 1/);
  assert.equal(one("👋", { type: "string", maxLength: 1 }), undefined);
  assert.match(one("abc", { type: "string", pattern: "^x" }), /must match \^x/);
  assert.equal(one("abc", { type: "string", pattern: "(?P<python>x)" }), undefined);
  assert.match(one("2026-02-30", { type: "string", format: "date" }), /date such as/);
  assert.equal(one("2026-02-28", { type: "string", format: "date" }), undefined);
  assert.match(one("x", { type: "string", format: "uri" }), /address/);
  assert.match(one("x", { type: "string", format: "email" }), /e-mail/);
  assert.match(one([1, 1], { type: "array", uniqueItems: true }), /repeat/);
  assert.match(one(2, { const: 1 }), /must be 1/);
});

test("references, nullable types and choices", () => {
  const root = {
    type: "object",
    properties: { tree: { $ref: "#/$defs/node" }, name: { type: ["string", "null"] }, size: { anyOf: [{ type: "integer" }, { type: "null" }] }, any: { oneOf: [{ type: "string" }, { type: "number" }] } },
    required: ["tree"],
    $defs: { node: { type: "object", properties: { label: { type: "string" }, next: { $ref: "#/$defs/node" } }, required: ["label"] } },
  };
  assert.deepEqual(errors({ tree: { label: "a", next: { next: {} } }, name: null, size: null, any: 1 }, root), { "/tree/next/label": "is required", "/tree/next/next/label": "is required" });
  assert.equal(kindOf(resolve(root.properties.name, root)), "string");
  assert.equal(kindOf(resolve(root.properties.any, root)), "choices");
  assert.equal(choiceOf(resolve(root.properties.any, root), 5, root), 1);
  assert.equal(kindOf(resolve({ $ref: "#/nowhere" }, root)), "raw");
  const loop = { $defs: { a: { $ref: "#/$defs/a" } }, $ref: "#/$defs/a" };
  assert.equal(kindOf(resolve(loop, loop)), "raw");
  assert.equal(validate({}, loop).size, 0);
});

test("a first value has what is required and what has a default, and nothing else", () => {
  const schema = object(
    { a: { type: "string" }, b: { type: "integer", default: 3 }, c: { type: "boolean" }, d: { type: "array", items: { type: "number" }, minItems: 2 }, e: object({ f: { type: "boolean", default: true } }), g: { const: "x" } },
    ["a", "c", "d", "g"],
  );
  assert.deepEqual(prune(initial(schema, schema)), { b: 3, c: false, d: [null, null], g: "x" });
  assert.deepEqual(prune({ a: undefined, b: [undefined, { c: undefined }] }), { b: [null, {}] });
});

test("a schema that nests itself ends", () => {
  const root = { $ref: "#/$defs/n", $defs: { n: { type: "object", properties: { n: { $ref: "#/$defs/n" } }, required: ["n"] } } };
  assert.ok(initial(root, root));
});

test("names are only names", () => {
  const schema = JSON.parse('{"type": "object", "properties": {"__proto__": {"type": "number"}, "constructor": {"type": "string"}, "a/b": {"type": "string"}}, "required": ["a/b"]}');
  const value = JSON.parse('{"__proto__": "x", "a/b": 1}');
  assert.deepEqual(errors(value, schema), { "/__proto__": "must be a number", "/a~1b": "must be text" });
  assert.equal(Object.getPrototypeOf(prune(value)), Object.prototype);
  assert.equal(at("", "a/b"), "/a~1b");
  assert.deepEqual(errors({}, { type: "object", required: ["toString"] }), { "/toString": "is required" });
});
