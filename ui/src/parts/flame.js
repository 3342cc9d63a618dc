/** A flame graph: a box a frame, as wide as its share, what it called below it; one that is pressed fills the width. */
import "../style/flame.css";
import { cx, html, useMemo, useState } from "../core/html.js";

const LEAST = 0.002;
const MAX_BOXES = 1500;

/** `{frames, stacks}` of one kind as a tree: `{label, where, weight, below}`. */
export function treeOf({ frames, stacks }, kind) {
  const node = (label, where) => ({ label, where, weight: 0, below: new Map() });
  const top = node("all", "");
  for (const stack of stacks) {
    if (stack.kind !== kind) continue;
    top.weight += stack.weight;
    let at = top;
    const step = (label, where) => {
      const key = `${label}\n${where}`;
      if (!at.below.has(key)) at.below.set(key, node(label, where));
      at = at.below.get(key);
      at.weight += stack.weight;
    };
    step(stack.root, "");
    for (const place of stack.frames) {
      const frame = frames[place];
      const where = frame.line ? `${frame.file}:${frame.line}` : frame.file;
      step(frame.function || where.split("/").pop(), where);
    }
  }
  return top;
}

/** The boxes of a tree, `{path, node, depth, x, width}`, widest first within what called them; bounded. */
export function boxesOf(top) {
  const boxes = [];
  const visit = (node, depth, x, width, path) => {
    for (const [key, child] of [...node.below].sort(([, a], [, b]) => b.weight - a.weight)) {
      const part = (width * child.weight) / Math.max(1, node.weight);
      if (part >= LEAST && boxes.length < MAX_BOXES) {
        const way = [...path, key];
        boxes.push({ path: way, node: child, depth, x, width: part });
        visit(child, depth + 1, x, part, way);
      }
      x += part;
    }
  };
  visit(top, 0, 0, 1, []);
  return boxes;
}

/** `amount` writes a weight in its unit. */
export function Flame({ profile, kind, amount }) {
  const [path, setPath] = useState([]);
  const top = useMemo(() => treeOf(profile, kind), [profile, kind]);
  const way = useMemo(() => within(top, path), [top, path]);
  const boxes = useMemo(() => boxesOf(way.at(-1)), [way]);
  const rows = Math.max(1, ...boxes.map((box) => box.depth + 1));
  const base = way.slice(1).map((node) => node.label);
  const zoom = (more) => setPath([...path.slice(0, way.length - 1), ...more]);
  return html`<div class="flame-frame">
    <p class="flame-way">
      ${way.length > 1 ? html`<button type="button" class="link" onClick=${() => setPath([])}>all</button> › <span class="mono cut">${base.join(" › ")}</span>` : html`<span class="muted">Press a box to look into it.</span>`}
    </p>
    <div class=${cx("flame", `flame-${kind}`)} style=${{ height: `${rows * 20}px` }}>
      ${boxes.map(({ path: more, node, depth, x, width }) => {
        const told = `${node.label}${node.where ? `, ${node.where}` : ""}: ${share(node.weight, top.weight)}, ${amount(node.weight)}`;
        return html`<button
          key=${more.join("\n")}
          type="button"
          class=${`flame-box hue-${hue(node.label)}`}
          style=${{ left: `${100 * x}%`, width: `${100 * width}%`, top: `${depth * 20}px` }}
          title=${told}
          aria-label=${told}
          onClick=${() => zoom(more)}
        >${width > 0.03 ? node.label : ""}</button>`;
      })}
    </div>
  </div>`;
}

/** The nodes along a path, the top first, as far as they are there. */
function within(top, path) {
  const way = [top];
  for (const key of path) {
    const next = way.at(-1).below.get(key);
    if (!next) break;
    way.push(next);
  }
  return way;
}

export const share = (weight, whole) => `${((100 * weight) / Math.max(1, whole)).toFixed(1)} %`;
const hue = (text) => [...text].reduce((sum, char) => sum + char.charCodeAt(0), 0) % 3;
