import assert from "node:assert/strict";
import { test } from "node:test";
import { pieces, styled, unstyled } from "../src/parts/ansi.js";

test("colours of a terminal become classes, all else of its language is left out", () => {
  assert.deepEqual(pieces("a \u241b[31mred\u241b[0m \u001b[1;92mbold green\u001b[39m bold\u001b[2K"), [
    { text: "a ", classes: "" },
    { text: "red", classes: "ansi-31" },
    { text: " ", classes: "" },
    { text: "bold green", classes: "ansi-1 ansi-32" },
    { text: " bold", classes: "ansi-1" },
  ]);
  assert.equal(unstyled("\u241b[38;5;12mx\u241b[m"), "x");
  assert.equal(styled("plain"), "plain");
  assert.ok(pieces("\u001b[31mx".repeat(10_000)).length < 1_000, "a flood of them is bounded");
});
