/** Plain data as YAML that reads back as the same data.  Pure. */

const PLAIN = /^[A-Za-z_/](?:[A-Za-z0-9_./@ -]|:(?=[A-Za-z0-9_./@-]))*$/;
// What YAML readers take for something other than text.
const WORDS = /^(?:y|n|yes|no|on|off|true|false|null|~|nan|inf|[-+]?\.?inf)$/i;

/** `data` as a document; ends with a line break. */
export function yaml(data) {
  return `${lines(data, "").join("\n")}\n`;
}

function lines(value, pad) {
  if (Array.isArray(value)) {
    return value.flatMap((one) => {
      if (!isNested(one)) return [`${pad}- ${scalar(one)}`];
      const [first, ...rest] = lines(one, `${pad}  `);
      return [`${pad}- ${first.slice(pad.length + 2)}`, ...rest];
    });
  }
  return Object.entries(value).flatMap(([name, one]) => {
    if (isBlock(one)) return [`${pad}${text(name)}: ${one.endsWith("\n") ? "|" : "|-"}`, ...one.trimEnd().split("\n").map((line) => (line ? `${pad}  ${line}` : ""))];
    if (!isNested(one)) return [`${pad}${text(name)}: ${scalar(one)}`];
    return [`${pad}${text(name)}:`, ...lines(one, `${pad}  `)];
  });
}

/** Texts of several lines that a block gives back as they are. */
const isBlock = (value) => typeof value === "string" && /^\S.*\n/.test(value) && !/[\t\r\u0080-\u00a0\u2028\u2029\ufeff]|[ ]\n|\n\n$|\s$(?<!\S\n)/.test(value);

const isNested = (value) => value !== null && typeof value === "object" && Object.keys(value).length > 0;

function scalar(value) {
  if (Array.isArray(value)) return "[]";
  if (value !== null && typeof value === "object") return "{}";
  return typeof value === "string" ? text(value) : String(value);
}

function text(value) {
  return PLAIN.test(value) && !WORDS.test(value) && value === value.trim() ? value : JSON.stringify(value);
}
