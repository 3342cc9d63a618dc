// Builds Studio: ui/src -> runtime/front/studio/static.   node build.mjs [--check | --watch]
//
// The same sources give the same bytes.  BUILT says which sources they were (the first line) and what came
// out (a line a file); tests/studio/test_bundle.py reads it without Node.
//   --check   builds into memory and fails when the committed files differ
//   --watch   builds readable files with source maps at every change; not for committing
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(here, "../runtime/front/studio/static");
const MAX_GZIP_BYTES = 120_000;
const COPIED = ["index.html", "icon.svg"];
const mode = process.argv[2] ?? "";

/** Every file that the bundle is made from, by its path below ui/, sorted by its bytes. */
function sources() {
  const found = ["build.mjs", "package-lock.json"];
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (!entry.name.startsWith(".")) found.push(relative(here, path).replaceAll("\\", "/"));
    }
  };
  walk(join(here, "src"));
  return found.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

function sourceHash() {
  const hash = createHash("sha256");
  for (const name of sources()) {
    const bytes = readFileSync(join(here, name));
    hash.update(`${name}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex");
}

const options = {
  absWorkingDir: here,
  entryPoints: { studio: "src/main.js", boot: "src/boot.js", feed_worker: "src/feed_worker.js" },
  outdir: out,
  bundle: true,
  minify: true,
  // The page of a room and what it alone needs (shared documents, markdown) come when a room is entered.
  format: "esm",
  splitting: true,
  // By their content: two that share code with others may have one name.
  chunkNames: "[name]-[hash]",
  target: ["chrome123", "firefox128", "safari17.5"],
  charset: "utf8",
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' },
  loader: { ".svg": "text" },
  plugins: [{ name: "sheets as text", setup: sheetsAsText }],
  metafile: true,
  logLevel: "warning",
};

/** `import text from "some/sheet.css?text"`: a sheet that a script puts in place when it needs it. */
function sheetsAsText({ onResolve, onLoad, resolve: find }) {
  onResolve({ filter: /\.css\?text$/ }, async ({ path, ...given }) => {
    const found = await find(path.replace(/\?text$/, ""), { kind: given.kind, resolveDir: given.resolveDir });
    // Its path below ui/: names of chunks come from paths, too, and are to be the same wherever this is built.
    return { path: relative(here, found.path), namespace: "text", errors: found.errors };
  });
  onLoad({ filter: /.*/, namespace: "text" }, ({ path }) => ({ contents: readFileSync(join(here, path), "utf8"), loader: "text" }));
}

/** The licences of what was bundled, in full: a copy of the bundle is a copy of those packages. */
function licences(metafile) {
  const packages = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const name = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (name) packages.add(name);
  }
  const parts = [...packages].sort().map((name) => {
    const folder = join(here, "node_modules", name);
    const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).filter((one) => /^licen[cs]e/i.test(one)).sort()[0];
    const text = file ? readFileSync(join(folder, file), "utf8").replaceAll("\r\n", "\n").trim() : "";
    return `${name} ${about.version} (${about.license})\n\n${text}\n`;
  });
  return `Studio's bundle contains these packages.\n\n${parts.join(`\n${"-".repeat(78)}\n\n`)}`;
}

async function build() {
  const result = await esbuild.build({ ...options, write: false });
  const files = new Map(result.outputFiles.map((file) => [relative(out, file.path), Buffer.from(file.contents)]));
  for (const name of COPIED) files.set(name, readFileSync(join(here, "src", name)));
  files.set("LICENSES.txt", Buffer.from(licences(result.metafile)));
  const lines = [...files].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, bytes]) => `${sha256(bytes)}  ${name}`);
  files.set("BUILT", Buffer.from(`${sourceHash()}  sources\n${lines.join("\n")}\n`));
  return { files, metafile: result.metafile };
}

function report({ files, metafile }) {
  const loaded = new Set(["index.html", "boot.js", "studio.css", ...withImports("studio.js", metafile)]);
  let total = 0;
  for (const [name, bytes] of files) {
    if (!/\.(html|js|css)$/.test(name)) continue;
    const size = gzipSync(bytes, { level: 9 }).length;
    if (loaded.has(name)) total += size;
    console.log(`${name.padEnd(22)}${kB(bytes.length).padStart(10)}${kB(size).padStart(10)} gzip${loaded.has(name) ? "" : ", later"}`);
  }
  const by = new Map();
  for (const output of Object.values(metafile.outputs)) {
    for (const [input, { bytesInOutput }] of Object.entries(output.inputs)) {
      const name = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? "own code";
      by.set(name, (by.get(name) ?? 0) + bytesInOutput);
    }
  }
  const parts = [...by].sort((a, b) => b[1] - a[1]).map(([name, bytes]) => `${name} ${kB(bytes)}`);
  console.log(`at once ${kB(total)} gzip of ${kB(MAX_GZIP_BYTES)}; minified: ${parts.join(" · ")}`);
  return total;
}

/** A script and what it imports at once. */
function withImports(name, metafile) {
  const outputs = new Map(Object.entries(metafile.outputs).map(([path, output]) => [relative(out, resolve(here, path)), output]));
  const found = new Set();
  const add = (one) => {
    if (found.has(one)) return;
    found.add(one);
    for (const { path, kind } of outputs.get(one).imports) if (kind === "import-statement") add(relative(out, resolve(here, path)));
  };
  add(name);
  return found;
}

const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;

if (mode === "--watch") {
  mkdirSync(out, { recursive: true });
  for (const name of COPIED) writeFileSync(join(out, name), readFileSync(join(here, "src", name)));
  const context = await esbuild.context({ ...options, minify: false, sourcemap: "inline", logLevel: "info" });
  await context.watch();
} else {
  const built = await build();
  const total = report(built);
  if (total > MAX_GZIP_BYTES) {
    console.error(`What is loaded at once is over its budget of ${kB(MAX_GZIP_BYTES)}.`);
    process.exit(1);
  }
  const there = existsSync(out) ? readdirSync(out) : [];
  if (mode === "--check") {
    const same = (name, bytes) => existsSync(join(out, name)) && bytes.equals(readFileSync(join(out, name)));
    const differ = [...built.files].filter(([name, bytes]) => !same(name, bytes)).map(([name]) => name);
    differ.push(...there.filter((name) => !built.files.has(name)));
    if (differ.length) {
      console.error(`runtime/front/studio/static is not what ui/ builds: ${differ.join(", ")}.  Run: make ui`);
      process.exit(1);
    }
    console.log("runtime/front/studio/static is what ui/ builds.");
  } else {
    mkdirSync(out, { recursive: true });
    for (const name of there) if (!built.files.has(name)) rmSync(join(out, name), { recursive: true });
    for (const [name, bytes] of built.files) writeFileSync(join(out, name), bytes);
  }
}
