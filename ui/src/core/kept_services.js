/** Services that are kept: of the project (`room` is ""), or of one room. */
import { get, post, put } from "./api.js";
import { ofProject } from "./project.js";

const TRIES = 5;
const WHOLE = { "Bulkhead-Manifest": "whole" };

/** The path of a service, or of those of a room or of the project. */
export const pathOf = (room, ...parts) => (room ? ofProject("rooms", room, "services", ...parts) : ofProject("services", ...parts));

/** The number of its revision that is in force. */
export const newestOf = async (service) => (await get(`${await pathOf(service.room, service.id)}/revisions`)).revisions[0].revision;

/** Its manifest, whole, and the number of its revision: of the one before, where it is changed while this looks. */
export async function loaded(service) {
  const revision = await newestOf(service);
  return { revision, manifest: await get(await pathOf(service.room, service.id), { headers: WHOLE }) };
}

/** Keep a new one: a manifest, or `{template, values}`. */
export const create = async (room, sent) => post(await pathOf(room), sent, { headers: WHOLE });

/** Give it a new revision, made from one; refused (`isBehind`) where another is in force. */
export const update = async (service, sent, revision) => put(`${await pathOf(service.room, service.id)}?revision=${revision}`, sent, { headers: WHOLE });

/** Whether an error says that what was changed is no longer in force. */
export const isBehind = (error) => error.code === "changed_meanwhile";

/** Change the manifest that is in force by a function, whoever else changes it at the same time. */
export async function change(service, how) {
  for (let tries = 1; ; tries++) {
    const { revision, manifest } = await loaded(service);
    try {
      return await update(service, how(manifest), revision);
    } catch (error) {
      if (!isBehind(error) || tries === TRIES) throw error;
    }
  }
}

/** Give services, by name, the newest versions of what they are given. */
export async function bringUpToDate(names) {
  const { services } = await get(await ofProject("service-states"));
  for (const one of services.filter(({ name }) => names.includes(name))) await change(one, (manifest) => manifest);
}
