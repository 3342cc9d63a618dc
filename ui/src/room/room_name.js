/** Why a room cannot have this name, or an empty text; the rule of the server, which decides. */
export function badRoomName(name) {
  if (!name) return "A room needs a name.";
  if (name === "." || name === "..") return "A room cannot be called . or ..";
  if (name.includes("/")) return "A room's name has no slash.";
  if (/[\p{C}\p{Zl}\p{Zp}]|[^\S ]/u.test(name)) return "A room's name has printable characters only.";
  const length = new TextEncoder().encode(name).reduce((sum, byte) => sum + (isPlain(byte) ? 1 : 3), 0);
  return length > 200 ? "A room's name has at most 200 characters; others than A-Z, a-z, 0-9, -, _, ~ and space count as three or more." : "";
}

function isPlain(byte) {
  return /[A-Za-z0-9_~ -]/.test(String.fromCharCode(byte));
}
