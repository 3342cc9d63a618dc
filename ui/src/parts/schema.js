/**
 * The part of JSON Schema that the forms can make: what a schema asks for, a first value, and what is wrong.
 *
 * Pure.  A value in the making is plain JSON, except that `undefined` is a property not given, and a text stands where
 * a number is wanted as long as it is none.  The host checks again with the full language; here is what a
 * form needs to say beside its fields.
 */

const MAX_DEPTH = 12;
const MAX_PATTERN_TEXT = 10_000;

/**
 * A schema with its references followed and its null folded into `nullable`.
 * @param {any} schema  @param {any} root  the schema that `#/…` references are relative to
 */
export function resolve(schema, root, depth = 0) {
  if (schema === true || schema === undefined || schema === null) return {};
  if (typeof schema !== "object" || Array.isArray(schema)) return { raw: true };
  if (depth > MAX_DEPTH) return { raw: true };
  if (typeof schema.$ref === "string") {
    const { $ref, ...beside } = schema;
    const found = pointed(root, $ref);
    return found === undefined ? { raw: true, ...beside } : { ...resolve(found, root, depth + 1), ...beside };
  }
  if (Array.isArray(schema.allOf) && schema.allOf.length === 1) {
    const { allOf, ...beside } = schema;
    return { ...resolve(allOf[0], root, depth + 1), ...beside };
  }
  const several = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(several)) {
    const { anyOf, oneOf, ...beside } = schema;
    const given = several.map((one) => resolve(one, root, depth + 1));
    const others = given.filter((one) => one.type !== "null");
    const nullable = others.length < given.length || beside.nullable;
    if (others.length === 1) return { ...others[0], ...beside, nullable: nullable || others[0].nullable };
    return { ...beside, choices: others, nullable };
  }
  if (Array.isArray(schema.type)) {
    const types = schema.type.filter((type) => type !== "null");
    const nullable = types.length < schema.type.length;
    if (types.length === 1) return { ...schema, type: types[0], nullable };
    return { ...schema, type: undefined, nullable, choices: types.map((type) => ({ ...schema, type, title: type })) };
  }
  return schema;
}

/**
 * Which control shows it: object, array, enum, const, string, number, integer, boolean, null, choices, or raw (a field
 * of JSON text).
 */
export function kindOf(resolved) {
  if (resolved.raw || resolved.allOf || resolved.not || resolved.if) return "raw";
  if (resolved.const !== undefined) return "const";
  if (Array.isArray(resolved.enum)) return "enum";
  if (resolved.choices) return "choices";
  switch (resolved.type) {
    case "object":
      return resolved.properties || resolved.additionalProperties === false ? "object" : "raw";
    case "array":
      return resolved.prefixItems || resolved.items === false ? "raw" : "array";
    case "string":
    case "number":
    case "integer":
    case "boolean":
    case "null":
      return resolved.type;
    case undefined:
      return resolved.properties ? "object" : "raw";
    default:
      return "raw";
  }
}

/** What a field starts with; undefined for one that is left out until it is touched. */
export function initial(schema, root, { required = true, depth = 0 } = {}) {
  const resolved = resolve(schema, root);
  if (resolved.default !== undefined) return structuredClone(resolved.default);
  const kind = kindOf(resolved);
  if (kind === "const" && required) return resolved.const;
  if (!required || depth > MAX_DEPTH) return undefined;
  if (kind === "object") {
    const made = {};
    for (const [name, child] of Object.entries(resolved.properties ?? {})) {
      const value = initial(child, root, { required: isRequired(resolved, name), depth: depth + 1 });
      if (value !== undefined) put(made, name, value);
    }
    return made;
  }
  if (kind === "array") {
    const least = Math.min(resolved.minItems ?? 0, 20);
    return Array.from({ length: least }, () => initial(resolved.items, root, { depth: depth + 1 }) ?? null);
  }
  if (kind === "boolean") return false;
  if (kind === "choices") return initial(resolved.choices[0], root, { depth: depth + 1 });
  if (kind === "enum" && resolved.enum.length === 1) return resolved.enum[0];
  return undefined;
}

export function isRequired(resolved, name) {
  return Array.isArray(resolved.required) && resolved.required.includes(name);
}

/** Which of the choices a value is made for. */
export function choiceOf(resolved, value, root) {
  if (value === undefined) return 0;
  const found = resolved.choices.findIndex((one) => validate(value, one, root).size === 0);
  if (found >= 0) return found;
  return Math.max(0, resolved.choices.findIndex((one) => hasType(value, resolve(one, root).type)));
}

/**
 * What is wrong with a value: messages by place, a place being a JSON pointer (`/values/0`, `` for the whole).
 * @returns {Map<string, string>}
 */
export function validate(value, schema, root = schema) {
  const found = new Map();
  check(value, schema, root, "", found, 0);
  return found;
}

/** The value without what was not given, ready to be sent. */
export function prune(value) {
  if (Array.isArray(value)) return value.map((one) => (one === undefined ? null : prune(one)));
  if (value === null || typeof value !== "object") return value;
  const kept = {};
  for (const [name, one] of Object.entries(value)) if (one !== undefined) put(kept, name, prune(one));
  return kept;
}

/** The place of a child. */
export function at(place, name) {
  return `${place}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** A property called `__proto__` is one like any other. */
export function put(object, name, value) {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}

// ---- inside

function check(value, schema, root, place, found, depth) {
  if (depth > 40) return;
  const resolved = resolve(schema, root);
  const say = (text) => found.has(place) || found.set(place, text);
  if (value === undefined) return;
  if (value === null && resolved.nullable) return;
  const kind = kindOf(resolved);
  if (kind === "const" && !same(value, resolved.const)) return say(`must be ${JSON.stringify(resolved.const)}`);
  if (kind === "enum" && !resolved.enum.some((one) => same(one, value))) return say("must be one of the choices");
  if (kind === "choices") {
    const fits = resolved.choices.some((one) => validate(value, one, root).size === 0);
    if (!fits) check(value, resolved.choices[choiceByType(resolved, value, root)], root, place, found, depth + 1);
    return;
  }
  if (kind === "raw" && resolved.type === undefined) return;
  if (resolved.type !== undefined && !hasType(value, resolved.type)) return say(WANTED[resolved.type] ?? `must be ${resolved.type}`);
  if (typeof value === "string") checkText(value, resolved, say);
  else if (typeof value === "number") checkNumber(value, resolved, say);
  else if (Array.isArray(value)) {
    checkArray(value, resolved, say);
    if (resolved.items && typeof resolved.items === "object") {
      value.forEach((one, index) => {
        const inner = at(place, index);
        if (one === undefined || (one === null && !allowsNull(resolved.items, root))) found.set(inner, "is missing");
        else check(one, resolved.items, root, inner, found, depth + 1);
      });
    }
  } else if (value !== null && typeof value === "object") {
    const properties = resolved.properties ?? {};
    for (const name of resolved.required ?? []) {
      if (!Object.hasOwn(value, name) || value[name] === undefined) found.set(at(place, name), "is required");
    }
    for (const [name, one] of Object.entries(value)) {
      if (Object.hasOwn(properties, name)) check(one, properties[name], root, at(place, name), found, depth + 1);
      else if (resolved.additionalProperties === false && one !== undefined) say(`has no property “${name}”`);
      else if (typeof resolved.additionalProperties === "object") check(one, resolved.additionalProperties, root, at(place, name), found, depth + 1);
    }
  }
}

const WANTED = {
  string: "must be text",
  number: "must be a number",
  integer: "must be a whole number",
  boolean: "must be yes or no",
  array: "must be a list",
  object: "must be an object",
  null: "must be null",
};

function checkText(value, resolved, say) {
  const length = [...value].length;
  if (length < (resolved.minLength ?? 0)) say(resolved.minLength === 1 ? "must not be empty" : `needs at least ${resolved.minLength} characters`);
  if (length > (resolved.maxLength ?? Infinity)) say(`may have at most ${resolved.maxLength} characters`);
  if (typeof resolved.pattern === "string" && value.length <= MAX_PATTERN_TEXT) {
    let pattern = null;
    try {
      pattern = new RegExp(resolved.pattern, "u");
    } catch {
      // not of our kind of regular expressions: the host judges
    }
    if (pattern && !pattern.test(value)) say(`must match ${resolved.pattern}`);
  }
  const format = FORMATS[resolved.format];
  if (format && !format.test(value)) say(format.text);
}

const FORMATS = {
  date: { test: (text) => /^\d{4}-\d\d-\d\d$/.test(text) && isDay(text), text: "must be a date such as 2026-12-24" },
  time: { test: (text) => /^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?$/.test(text), text: "must be a time such as 18:30:00" },
  "date-time": {
    test: (text) => /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d/.test(text) && isDay(text.slice(0, 10)) && !Number.isNaN(Date.parse(text)),
    text: "must be a date and time such as 2026-12-24T18:30:00Z",
  },
  email: { test: (text) => /^[^\s@]+@[^\s@]+$/.test(text), text: "must be an e-mail address" },
  uri: { test: (text) => /^[a-z][a-z0-9+.-]*:\S+$/i.test(text), text: "must be an address such as https://example.com" },
  uuid: { test: (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text), text: "must be a UUID" },
};

function isDay(text) {
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

function checkNumber(value, { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf }, say) {
  if (typeof minimum === "number" && value < minimum) say(`must be at least ${minimum}`);
  if (typeof maximum === "number" && value > maximum) say(`must be at most ${maximum}`);
  if (typeof exclusiveMinimum === "number" && value <= exclusiveMinimum) say(`must be more than ${exclusiveMinimum}`);
  if (typeof exclusiveMaximum === "number" && value >= exclusiveMaximum) say(`must be less than ${exclusiveMaximum}`);
  if (typeof multipleOf === "number" && multipleOf > 0) {
    const times = value / multipleOf;
    if (Math.abs(times - Math.round(times)) > 1e-9 * Math.max(1, Math.abs(times))) say(`must be a multiple of ${multipleOf}`);
  }
}

function checkArray(value, { minItems = 0, maxItems = Infinity, uniqueItems }, say) {
  if (value.length < minItems) say(`needs at least ${minItems} ${minItems === 1 ? "entry" : "entries"}`);
  if (value.length > maxItems) say(`may have at most ${maxItems} ${maxItems === 1 ? "entry" : "entries"}`);
  if (uniqueItems && new Set(value.map((one) => JSON.stringify(one))).size < value.length) say("must not repeat an entry");
}

function allowsNull(schema, root) {
  const resolved = resolve(schema, root);
  return Boolean(resolved.nullable) || ["null", "raw"].includes(kindOf(resolved)) || resolved.enum?.includes(null);
}

function choiceByType(resolved, value, root) {
  return Math.max(0, resolved.choices.findIndex((one) => hasType(value, resolve(one, root).type)));
}

function hasType(value, type) {
  switch (type) {
    case undefined:
      return true;
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return value !== null && typeof value === "object" && !Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    case "number":
      return typeof value === "number" && Number.isFinite(value);
    default:
      return typeof value === type;
  }
}

function same(a, b) {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

function pointed(root, ref) {
  if (ref === "#") return root;
  if (!ref.startsWith("#/")) return undefined;
  let found = root;
  for (const part of ref.slice(2).split("/")) {
    const name = decoded(part).replaceAll("~1", "/").replaceAll("~0", "~");
    if (found === null || typeof found !== "object" || !Object.hasOwn(found, name)) return undefined;
    found = found[name];
  }
  return found;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
