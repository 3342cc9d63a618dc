"""A crash report as one file to hand on: everything that is known, as text and as data, and no secrets.

It is made of the stored report alone, in which every text is bounded and redacted already; what is added
here (versions) is the server's own.  Made anew, it is the same file again.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import io
import json
import platform
import tarfile
from collections.abc import Iterator
from typing import Any, Final

import runtime
from runtime.session.crash import CrashReport
from runtime.session.crash_text import sections
from runtime.wire.text import WITHOUT_CONTROLS

_PACKAGES: Final = ("hypercorn", "msgspec", "multiprocess", "psutil", "quart", "websockets")
_READ_ME: Final = """\
A crash of one agent session, as Bulkhead wrote it down.

  report.txt    what happened, for people          report.json   the same as data, complete
  log.txt       the last lines it wrote            call.json     how it was called
  stacks.txt    traceback, threads, asyncio tasks  source.txt    its code where it failed, and which code ran
  use.csv       memory and processor over time     versions.json of the server that ran it

Values that looked like secrets, or stood under such names, are written as three dots.  Nobody can promise
that none was missed: have a look before you pass it on.
"""


def crash_bundle(report: CrashReport, shown: dict[str, Any]) -> bytes:
    """The report as a ``tar.gz``; at most some megabytes before it is compressed.

    Args:
        shown: The report as the API shows it.
    """
    name, packed = f"crash-{report.session_id}", io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=int(report.at), filename="") as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for file, text in _files(report, shown):
            raw = text.encode("utf-8", "replace")
            about = tarfile.TarInfo(f"{name}/{file}")
            about.size, about.mtime, about.mode = len(raw), int(report.at), 0o644
            archive.addfile(about, io.BytesIO(raw))
    return packed.getvalue()


def _files(report: CrashReport, shown: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "README.txt", _READ_ME
    yield "report.txt", _text(shown)
    yield "report.json", _json(shown)
    yield "log.txt", _log(shown)
    yield "stacks.txt", _stacks(report)
    yield "source.txt", _source(report)
    yield "call.json", _json(_call(report))
    yield "use.csv", _curve(report)
    yield "versions.json", _json(_versions())


def _text(shown: dict[str, Any]) -> str:
    lines = []
    for label, body in sections(shown, tasks=True, full=True):
        for line in body:
            lines.append(f"{label:<11}{line.translate(WITHOUT_CONTROLS)}".rstrip())
            label = ""
    return "\n".join(lines) + "\n"


def _log(shown: dict[str, Any]) -> str:
    lines = [f"{line['at']} {line['text'].translate(WITHOUT_CONTROLS)}\n" for line in shown["log"]]
    if dropped := shown["log_lines_dropped"]:
        lines.append(f"({dropped} lines were dropped: it wrote too fast)\n")
    return "".join(lines)


def _stacks(report: CrashReport) -> str:
    parts = [part for part in (report.traceback, report.native) if part]
    for task in report.tasks:
        name = f"Task {task.name}{' (running)' if task.running else ''}"
        parts.append("\n".join([name, *(f"  {line}" for line in task.frames)]))
    return "\n\n".join(parts) + "\n" if parts else f"{report.unknown.get('native', 'none')}\n"


def _source(report: CrashReport) -> str:
    code, lines = report.code, list[str]()
    if code.file:
        lines += [f"{code.file} · generation {code.generation} · sha256 {code.sha256}", ""]
    if report.excerpt is not None:
        lines.append(f"{report.excerpt.file}:{report.excerpt.marked}")
        for number, line in enumerate(report.excerpt.lines, report.excerpt.first):
            lines.append(f"{'→' if number == report.excerpt.marked else ' '} {number:>4}  {line}")
        lines.append(report.excerpt.note)
    else:
        lines.append(report.unknown.get("excerpt", ""))
    return "\n".join(lines) + "\n"


def _call(report: CrashReport) -> dict[str, Any]:
    names = ("session_id", "endpoint", "identity", "room", "generation", "arguments")
    return {name: getattr(report, name) for name in names}


def _curve(report: CrashReport) -> str:
    rows = [f"{p.t_s},{p.rss_bytes},{p.pss_bytes},{p.cpu_s},{p.processes}\n" for p in report.use.curve]
    return "".join(["t_s,rss_bytes,pss_bytes,cpu_s,processes\n", *rows])


def _versions() -> dict[str, Any]:
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "bulkhead": runtime.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": packages,
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
