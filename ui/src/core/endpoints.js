/** Endpoints as people are told them: those of a service that is deployed by its name, not by its id. */
import { computed } from "./html.js";
import { endpoints } from "./live.js";

const DEPLOYED = /^\/deployed\/([^/]+)(\/.*)$/;
const ID_CHARS = 8;

/** The id of the service that is deployed at a path; null for any other path.  Pure. */
export const serviceOf = (path) => DEPLOYED.exec(path ?? "")?.[1] ?? null;

/** `/deployed/2a105853-…/weather` of the bundle `weather@e8bf7182` -> `weather/weather`.  Pure. */
export function shortPath(path, bundle = "") {
  const [, id, own] = DEPLOYED.exec(path ?? "") ?? [];
  if (!own) return path ?? "";
  const name = bundle.split("@")[0];
  return name ? `${name}${own}` : `${id.slice(0, ID_CHARS)}…${own}`;
}

/** Paths with what each is called; where two are called alike, with the beginning of each one's id.  Pure. */
export function shortPaths(paths, bundleOf) {
  const short = paths.map((path) => shortPath(path, bundleOf(path)));
  return new Map(paths.map((path, i) => [path, serviceOf(path) && short.indexOf(short[i]) !== short.lastIndexOf(short[i]) ? `${short[i]} (${serviceOf(path).slice(0, ID_CHARS)})` : short[i]]));
}

/**
 * The revisions of a service that sessions of a room run, the newest first: `[{revision, count}]`; 0 for one that is
 * not known any more.  Pure.
 */
export function revisionsRun(rows, service, room) {
  const counts = new Map();
  for (const row of rows) if (!row.exit && row.room === room && serviceOf(row.endpoint) === service) counts.set(row.revision, (counts.get(row.revision) ?? 0) + 1);
  return [...counts].map(([revision, count]) => ({ revision, count })).sort((a, b) => b.revision - a.revision);
}

const bundlesByPath = computed(() => new Map((endpoints.value ?? []).map((one) => [one.path, one.bundle])));

/** What a path is called; `bundle` where it is known, for one that nobody serves any more. */
export const endpointName = (path, bundle) => shortPath(path, bundle || bundlesByPath.value.get(path));

/** The same for many that stand side by side. */
export const endpointNames = (paths) => shortPaths(paths, (path) => bundlesByPath.value.get(path));
