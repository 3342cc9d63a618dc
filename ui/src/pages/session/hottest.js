/** A profile, line by line.  Pure. */

/** Lines with what was found in each, the most first, and how much that is together. */
export function shares(profile, kind) {
  const weights = new Map();
  for (const stack of profile.stacks) {
    if (stack.kind !== kind) continue;
    const frame = profile.frames[stack.frames.at(-1)];
    const place = frame ? `${frame.function ? `${frame.function}  ` : ""}${frame.file}:${frame.line}` : stack.root;
    weights.set(place, (weights.get(place) ?? 0) + stack.weight);
  }
  const rows = [...weights].map(([place, weight]) => ({ place, weight })).sort((a, b) => b.weight - a.weight);
  return { rows, whole: rows.reduce((sum, row) => sum + row.weight, 0) };
}
