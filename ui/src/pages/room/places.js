/**
 * Those with a name in the order in which they were shown before, each newcomer behind the one it comes after.  Pure.
 *
 * @template {{name: string}} T
 * @param {T[]} all  @param {string[]} before  names as they were shown
 * @returns {T[]}
 */
export function placed(all, before) {
  const place = new Map();
  before.forEach((name, index) => place.has(name) || place.set(name, index));
  let last = -1;
  const keyed = all.map((one, index) => {
    last = place.get(one.name) ?? last;
    return { one, index, at: last };
  });
  return keyed.sort((a, b) => a.at - b.at || a.index - b.index).map(({ one }) => one);
}
