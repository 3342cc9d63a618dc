import { test } from "node:test";
import assert from "node:assert/strict";
import { yaml } from "../src/pages/services/yaml.js";

test("references of images stay plain, texts of several lines become blocks, what YAML would misread is quoted", () => {
  const written = yaml({ image: "example.org/greeter:1", text: "one\n  two\n", odd: "one\n\ttwo", no: "no", key: "a: b", items: [{ num: "*" }] });
  assert.equal(written, 'image: example.org/greeter:1\ntext: |\n  one\n    two\nodd: "one\\n\\ttwo"\n"no": "no"\nkey: "a: b"\nitems:\n  - num: "*"\n');
});
