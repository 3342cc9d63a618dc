/** Services that are kept: of the project (`room` is ""), or of one room. */
import { get, post, put } from "./api.js";
import { ofProject } from "./project.js";

const WHOLE = { "Bulkhead-Manifest": "whole" };

/** The path of a service, or of those of a room or of the project. */
export const pathOf = (room, ...parts) => (room ? ofProject("rooms", room, "services", ...parts) : ofProject("services", ...parts));

/** Its manifest, whole. */
export const manifestOf = async (service) => get(await pathOf(service.room, service.id), { headers: WHOLE });

/** Keep a new one: a manifest, or `{template, values}`. */
export const create = async (room, sent) => post(await pathOf(room), sent, { headers: WHOLE });

/** Give it a new revision. */
export const update = async (service, sent) => put(await pathOf(service.room, service.id), sent, { headers: WHOLE });

/** Give services, by name, the newest versions of what they are given. */
export async function bringUpToDate(names) {
  const { services } = await get(await ofProject("service-states"));
  for (const one of services.filter(({ name }) => names.includes(name))) await update(one, await manifestOf(one));
}
