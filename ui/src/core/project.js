/** The accounts API's one project, which everything kept for deployment belongs to. */
import { get, seg } from "./api.js";

let asked = null;

/** `await ofProject("secrets", id)` is the path `/accounts/projects/…/secrets/…`; parts after the first are escaped. */
export async function ofProject(first, ...parts) {
  asked ??= get("/accounts/projects").then(({ projects }) => projects[0].id);
  try {
    return ["/accounts/projects", seg(await asked), first, ...parts.map(seg)].join("/");
  } catch (error) {
    asked = null;
    throw error;
  }
}
