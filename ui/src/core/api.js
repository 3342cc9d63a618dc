/** Requests to the server.  Every failure is an `ApiError` whose title and detail can be shown as they are. */
import { signal } from "./html.js";

/** True once the server refused this browser; the shell then shows how to get in. */
export const denied = signal(false);

/**
 * What went wrong with a request.
 *
 * `status` is 0 when there was no answer; `code` is the server's word for it, such as `unknown_session`.
 */
export class ApiError extends Error {
  constructor(title, { detail = "", status = 0, code = "", more = {} } = {}) {
    super(detail ? `${title}: ${detail}` : title);
    this.name = "ApiError";
    this.title = title;
    this.detail = detail;
    this.status = status;
    this.code = code;
    this.more = more;
  }
}

/** Find out whether this server lets this browser in; a room or a model may refuse for reasons of its own. */
export async function checkAccess() {
  try {
    const answer = await fetch("/studio/me", { cache: "no-store" });
    denied.value = answer.status === 401 || answer.status === 403 || (answer.ok && (await answer.json()).access === "none");
  } catch {
    // no answer at all says nothing about access
  }
  return !denied.value;
}

async function call(method, path, { body, headers = {}, signal: abort } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: abort,
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer", { detail: "It may be restarting; this page goes on by itself." });
  }
  if (answer.ok) return answer;
  if (answer.status === 401 || answer.status === 403) await checkAccess();
  const text = await answer.text().catch(() => "");
  let problem = {};
  try {
    problem = JSON.parse(text) ?? {};
  } catch {
    problem = { detail: text.slice(0, 300) };
  }
  const code = problem.code ?? String(problem.type ?? "").split(":").pop().replaceAll("-", "_");
  throw new ApiError(problem.title || `The server answered ${answer.status}`, {
    detail: problem.detail ?? "",
    status: answer.status,
    code,
    more: problem,
  });
}

/** GET a JSON answer. */
export const get = async (path, options) => (await call("GET", path, options)).json();
/** GET a plain text answer. */
export const getText = async (path, options) => (await call("GET", path, options)).text();
/** POST JSON, read JSON. */
export const post = async (path, body = {}, options = {}) => parsed(await call("POST", path, { ...options, body }));
/** PUT JSON, read JSON. */
export const put = async (path, body = {}, options = {}) => parsed(await call("PUT", path, { ...options, body }));
/** DELETE, read JSON if there is any. */
export const del = async (path, options) => parsed(await call("DELETE", path, options));

async function parsed(answer) {
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

/** POST JSON, and call `each` with every object of an answer that comes line by line. */
export async function postLines(path, body, each, options = {}) {
  const answer = await call("POST", path, { ...options, body });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) each(JSON.parse(line));
  }
}

/** One part of a path, escaped. */
export const seg = (text) => encodeURIComponent(text);
