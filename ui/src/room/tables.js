/** The tables of a room: asking for rows, and how a value is shown, typed and told from others. */

export const PAGE_ROWS = 50;
const MANY = 8;
/** Kinds by whose values one row is told from others. */
const COMPARED = new Set(["text", "int", "float", "bool", "date", "timestamp"]);

/** A namespace as it is typed, `a/b`, as requests have it. */
export const namespace = (text) => {
  const parts = text.split("/").filter(Boolean);
  return parts.length ? parts : null;
};

export async function listTables(room, space) {
  return (await room.ask("database.list_tables", { namespace: space }))?.tables ?? [];
}

/** The columns of a table, `[{name, type}]`. */
export async function columnsOf(room, table, space) {
  const { schema } = await room.ask("database.inspect", { table, namespace: space });
  return Object.entries(schema).map(([name, type]) => ({ name, type }));
}

/** A page of rows, and whether there are more. */
export async function search(room, { table, space, words, where, offset }) {
  const asked = { table, namespace: space, text: words || null, where: where || null, offset, limit: PAGE_ROWS + 1 };
  const rows = (await room.ask("database.search", asked))?.results ?? [];
  return { rows: rows.slice(0, PAGE_ROWS), more: rows.length > PAGE_ROWS };
}

export const count = async (room, { table, space, words, where }) =>
  (await room.ask("database.count", { table, namespace: space, text: words || null, where: where || null })).count;

export const insert = (room, table, space, row) => room.request("database.insert", { table, namespace: space, records: [row] });

export const update = (room, table, space, where, values) =>
  room.request("database.update", { table, namespace: space, where, values, values_sql: null });

export const remove = (room, table, space, where) => room.request("database.delete", { table, namespace: space, where });

/** A filter that chooses the rows that are like this one; empty when nothing of it can be compared. */
export function likeRow(row, columns) {
  return columns
    .filter(({ type }) => COMPARED.has(type.type))
    .map(({ name }) => (row[name] === null || row[name] === undefined ? `\`${name}\` IS NULL` : `\`${name}\` = ${literal(row[name])}`))
    .join(" AND ");
}

function literal(value) {
  return typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : String(value);
}

/** A value in a line. */
export function shown(value, { type }) {
  if (value === null || value === undefined) return "";
  if (type === "binary") return `${(value.data.length * 3) / 4 - (value.data.match(/=*$/)[0].length || 0)} bytes`;
  if (Array.isArray(value)) {
    const some = JSON.stringify(value.slice(0, MANY)).slice(1, -1).replaceAll(",", ", ");
    return value.length > MANY ? `[${some}, … ${value.length}]` : `[${some}]`;
  }
  return String(value);
}

/** A value as it is edited: text as it is, what is nested as JSON. */
export function edited(value, { type }) {
  if (value === null || value === undefined) return "";
  return type === "vector" || type === "list" ? JSON.stringify(value) : String(value);
}

/**
 * What somebody typed, as the column takes it.
 * @throws {Error} with a sentence
 */
export function typed(text, { type }) {
  const plain = text.trim();
  if (type === "text") return text;
  if (!plain) return null;
  if (type === "int" || type === "float") {
    const number = Number(plain);
    if (!Number.isFinite(number)) throw new Error(`${plain} is no number.`);
    if (type === "int" && !Number.isSafeInteger(number)) throw new Error(`${plain} is no whole number.`);
    return number;
  }
  if (type === "bool") {
    if (!["true", "false"].includes(plain.toLowerCase())) throw new Error("Write true or false.");
    return plain.toLowerCase() === "true";
  }
  if (type === "date" || type === "timestamp") return plain;
  try {
    return JSON.parse(plain);
  } catch (error) {
    throw new Error(`This is not JSON: ${error.message}.`);
  }
}
