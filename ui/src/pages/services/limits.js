/** Limits of a session as people read them.  Pure. */
import { bytes, cores, count, duration } from "../../core/format.js";

const LIMITS = {
  memory_bytes: ["memory", bytes],
  cpu: ["processor", cores],
  cpu_total_s: ["processor time in all", duration],
  pids: ["processes and threads", count],
  files: ["open files", count],
  file_size_bytes: ["largest file", bytes],
  disk_bytes: ["disk", bytes],
  timeout_s: ["longest life", duration],
  idle_timeout_s: ["longest idle", duration],
  concurrency: ["sessions at once", count],
};

/** `[[name, value, source], …]` of the limits that hold. */
export function limitRows(limits, sources) {
  return Object.entries(limits ?? {}).map(([key, value]) => {
    const [name, show] = LIMITS[key] ?? [key.replaceAll("_", " "), String];
    return [name, show(value), sources?.[key] ?? ""];
  });
}
