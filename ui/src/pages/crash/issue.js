/** A crash report as the markdown of an issue.  Pure. */
import { shortPath } from "../../core/endpoints.js";
import { duration, stamp } from "../../core/format.js";
import { message, replayOf, shortFile, shortPlace, used, visible } from "./words.js";

const LOG_LINES = 20;

/**
 * The report for somebody who was not there.
 *
 * @param report as `GET /workers/{id}/crash` has it
 * @param about `{version, python}` of the server, as far as they are known
 */
export function issue(report, about = {}) {
  const parts = [`## ${line(report.sentence)}`, `**What to do:** ${line(report.cure)}`, facts(report, about)];
  const { excerpt } = report;
  if (excerpt) parts.push(`### Source \`${shortFile(excerpt.file, report.code)}:${excerpt.marked}\``, fenced(source(excerpt), ""));
  if (report.traceback) parts.push("### Traceback", fenced(visible(report.traceback).trimEnd(), "text"));
  const locals = report.frames.at(-1)?.locals ?? {};
  if (Object.keys(locals).length) {
    parts.push("### Local variables", fenced(Object.entries(locals).map(([name, value]) => `${name} = ${visible(value)}`).join("\n"), "text"));
  }
  if (report.native) parts.push("### Native stack", fenced(visible(report.native).trimEnd(), "text"));
  if (report.log.length) parts.push("### Last log", fenced(report.log.slice(-LOG_LINES).map((one) => `${one.at.slice(11, 23)} ${visible(one.text)}`).join("\n"), "text"));
  const messages = report.room_messages?.length ? report.room_messages : report.messages;
  const told = messages.map((one) => `${one.direction} ${message(one)}`).join(" → ");
  if (told) parts.push(`**Last messages:** ${told}`);
  return `${parts.join("\n\n")}\n`;
}

function facts(report, about) {
  const { code } = report;
  const rows = [
    ["Agent", `\`${report.identity}\` at \`${shortPath(report.endpoint, code.bundle)}\`, session \`${report.session}\``],
    ["When", `${stamp(report.at)}${report.after_s === null ? "" : `, after ${duration(report.after_s)}`}`],
    ["Where", report.where && `\`${shortPlace(report.where, code)}\``],
    ["Code", code.code_generation && `generation ${code.code_generation}, sha256 ${code.sha256.slice(0, 12)}`],
    ["Used", used(report)],
    ["Kind", `\`${report.fingerprint}\``],
    ["Reproduce", replayOf(report) && `\`${replayOf(report)}\``],
    ["Bulkhead", [about.version, about.python && `Python ${about.python}`].filter(Boolean).join(", ")],
  ];
  const cell = (text) => line(String(text)).replaceAll("|", "\\|");
  const shown = rows.filter(([, text]) => text).map(([name, text]) => `| ${name} | ${cell(text)} |`);
  return ["| | |", "|---|---|", ...shown].join("\n");
}

function source(excerpt) {
  return excerpt.lines
    .map((text, index) => {
      const number = excerpt.first + index;
      return `${number === excerpt.marked ? "→" : " "} ${String(number).padStart(4)}  ${visible(text)}`;
    })
    .join("\n");
}

const line = (text) => visible(text).replace(/\s+/g, " ").trim();

/** A block that no run of backticks inside can end. */
function fenced(text, language) {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}
