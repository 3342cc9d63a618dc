"""Everything that is emitted, by name: spans, their attributes, metrics, keys of log lines.

The reference is made of it, dashboards and alert rules are held against it, and a test against what a server
really sends.  Names of models and tools follow OpenTelemetry's conventions for generative AI.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from runtime.telemetry import names as at


class SpanRow(msgspec.Struct, frozen=True):
    """One kind of span.

    Attributes:
        name: As it begins; the rest is in ``<…>``.
        parent: The name of the span that it is a part of, as it begins.
        attributes: Those that it may have.
    """

    name: str
    kind: str
    parent: str
    text: str
    attributes: tuple[str, ...] = ()

    @property
    def begins(self) -> str:
        """What each of them begins with."""
        return self.name.partition("<")[0].rstrip()


_OF_STEP: Final = (at.SESSION_ID, at.ATTEMPT, at.ERROR)

SPANS: Final = (
    SpanRow(
        "POST <endpoint>",
        "server",
        "of the caller's `traceparent`",
        "A call, from its arrival to its answer. A call by websocket is called `GET`.",
        (at.HTTP_METHOD, at.HTTP_ROUTE, at.HTTP_STATUS, at.OUTCOME, at.SESSION_ID, at.ERROR),
    ),
    SpanRow(
        "session <identity>",
        "internal",
        "POST",
        "A session, from its acceptance to its end; sent when it has ended.",
        (
            at.SESSION_ID,
            at.ENDPOINT,
            at.IDENTITY,
            at.ROOM,
            at.BUNDLE,
            at.ATTEMPT,
            at.REASON,
            at.CPU,
            at.PEAK_RSS,
            at.ERROR,
        ),
    ),
    SpanRow("session.accept", "internal", "session", "Admitted, and written into the journal.", _OF_STEP),
    SpanRow(
        "session.queue",
        "internal",
        "session",
        "Its turn to start, or its delay before another attempt.",
        _OF_STEP,
    ),
    SpanRow(
        "session.fork",
        "internal",
        "session",
        "From its placement to its process.",
        (*_OF_STEP, at.NODE, at.PID),
    ),
    SpanRow(
        "session.construct", "internal", "session", "The agent's class is called.", (*_OF_STEP, at.CLASS)
    ),
    SpanRow("session.join", "internal", "session", "The room is reached and entered.", (*_OF_STEP, at.ROOM)),
    SpanRow(
        "session.ready",
        "internal",
        "session",
        "The agent's `start`, until it says that it is ready.",
        _OF_STEP,
    ),
    SpanRow(
        "invoke_agent <identity>",
        "internal",
        "session",
        "A turn of a chat, or a task: what the agent does for one question.",
        (at.OPERATION, at.AGENT, at.CONVERSATION, at.TURN, at.WAITED, at.ERROR),
    ),
    SpanRow(
        "chat <model>",
        "client",
        "invoke_agent",
        "A request of a model, to the last word of its answer.",
        (
            at.OPERATION,
            at.PROVIDER,
            at.MODEL,
            at.ANSWERED_BY,
            at.INPUT_TOKENS,
            at.OUTPUT_TOKENS,
            at.FINISH,
            at.ROUND,
            at.FIRST_WORD,
            at.INPUT,
            at.OUTPUT,
            at.ERROR,
        ),
    ),
    SpanRow(
        "execute_tool <tool>",
        "internal",
        "invoke_agent",
        "A tool that a model called, or somebody in the room.",
        (at.OPERATION, at.TOOL, at.CALL_ID, at.TOOL_TYPE, at.ARGUMENTS, at.RESULT, at.ERROR),
    ),
)


def row_of(name: str) -> SpanRow | None:
    """The row of a span of ours."""
    fits = [row for row in SPANS if name == row.begins or name.startswith(f"{row.begins} ")]
    return fits[0] if fits else None


ATTRIBUTES: Final = {
    at.HTTP_METHOD: "The method.",
    at.HTTP_ROUTE: "The endpoint's path.",
    at.HTTP_STATUS: "The status of the answer.",
    at.OUTCOME: "`accepted`, `duplicate`, or why it was refused.",
    at.SESSION_ID: "The session, such as `s_7Q4M2XKB9TEV`.",
    at.ENDPOINT: "The endpoint's path.",
    at.IDENTITY: "The name by which it is in the room.",
    at.ROOM: "The room.",
    at.BUNDLE: "The bundle that has the endpoint.",
    at.ATTEMPT: "Which attempt, from 1.",
    at.REASON: "The exit reason.",
    at.CPU: "Processor time of its processes, in seconds.",
    at.PEAK_RSS: "The most memory it took at once, in bytes.",
    at.NODE: "The machine that runs it, where there are several.",
    at.PID: "The number of its process.",
    at.CLASS: "The agent's class.",
    at.OPERATION: "`invoke_agent`, `chat` or `execute_tool`.",
    at.AGENT: "The agent's name.",
    at.CONVERSATION: "The thread's path in the room.",
    at.TURN: "The id of the message that is answered.",
    at.WAITED: "How long it waited for the turn before it, in milliseconds.",
    at.PROVIDER: "Whose interface the model has: `openai`, or `bulkhead` for the offline model.",
    at.MODEL: "The model that was asked for.",
    at.ANSWERED_BY: "The model that answered.",
    at.INPUT_TOKENS: "Tokens of the request.",
    at.OUTPUT_TOKENS: "Tokens of the answer.",
    at.FINISH: "`stop`, or `tool_calls` where it asked for tools.",
    at.ROUND: "Which request of its turn, from 1.",
    at.FIRST_WORD: "Seconds from the request to the first word.",
    at.INPUT: "The messages, as JSON; with `telemetry.content` alone.",
    at.OUTPUT: "The answer, as JSON; with `telemetry.content` alone.",
    at.TOOL: "The tool's name.",
    at.CALL_ID: "The id that the model gave the call.",
    at.TOOL_TYPE: "`function`.",
    at.ARGUMENTS: "What it was called with, as JSON; with `telemetry.content` alone.",
    at.RESULT: "What it gave; with `telemetry.content` alone.",
    at.ERROR: "Why it failed: an exception's class, an exit reason, a status.",
}
"""What each attribute is."""

LOG_KEYS: Final = {
    "trace_id": "The trace that a line belongs to, in lines of a call, a session, a turn.",
    "span_id": "The span in which it was written.",
}

Kind = Literal["counter", "gauge", "histogram"]


class MetricRow(msgspec.Struct, frozen=True):
    """One metric, by its name in Prometheus without ``_total``."""

    name: str
    kind: Kind
    labels: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names that a query may use."""
        if self.kind == "counter":
            return (f"{self.name}_total",)
        if self.kind == "histogram":
            return (f"{self.name}_bucket", f"{self.name}_count", f"{self.name}_sum")
        return (self.name,)


_AT: Final = ("endpoint",)

METRICS: Final = (
    MetricRow("bulkhead_build_info", "gauge", ("version",)),
    MetricRow("bulkhead_webhooks", "counter", ("endpoint", "outcome")),
    MetricRow("bulkhead_webhook_answer_seconds", "histogram"),
    MetricRow("bulkhead_sessions_started", "counter", _AT),
    MetricRow("bulkhead_session_start_seconds", "histogram", _AT),
    MetricRow("bulkhead_sessions_ended", "counter", ("endpoint", "reason")),
    MetricRow("bulkhead_crashes", "counter", ("endpoint", "reason")),
    MetricRow("bulkhead_session_cpu_seconds", "counter", _AT),
    MetricRow("bulkhead_session_restarts", "counter", _AT),
    MetricRow("bulkhead_inputs_quarantined", "counter", _AT),
    MetricRow("bulkhead_session_memory_byte_seconds", "counter", _AT),
    MetricRow("bulkhead_session_log_bytes", "counter", _AT),
    MetricRow("bulkhead_session_relay_bytes", "counter", _AT),
    MetricRow("bulkhead_session_turns", "counter", _AT),
    MetricRow("bulkhead_session_input_tokens", "counter", _AT),
    MetricRow("bulkhead_session_output_tokens", "counter", _AT),
    MetricRow("bulkhead_session_log_lines_dropped", "counter"),
    MetricRow("bulkhead_event_readers_cut", "counter"),
    MetricRow("bulkhead_spans_dropped", "counter"),
    MetricRow("bulkhead_headroom_bytes", "gauge"),
    MetricRow("bulkhead_containers", "gauge", ("engine",)),
    MetricRow("bulkhead_sessions_queued", "gauge"),
    MetricRow("bulkhead_sessions_restarting", "gauge"),
    MetricRow("bulkhead_quarantined_inputs", "gauge"),
    MetricRow("bulkhead_sessions", "gauge", ("state",)),
    MetricRow("bulkhead_sessions_max", "gauge"),
    MetricRow("bulkhead_bundles", "gauge", ("state",)),
    MetricRow("bulkhead_endpoints", "gauge"),
    MetricRow("bulkhead_event_readers", "gauge"),
    MetricRow("bulkhead_journal_failing", "gauge"),
    MetricRow("bulkhead_uptime_seconds", "gauge"),
    MetricRow("bulkhead_nodes", "gauge", ("state",)),
    MetricRow("bulkhead_node_up", "gauge", ("node",)),
    MetricRow("bulkhead_node_sessions", "gauge", ("node",)),
    MetricRow("bulkhead_node_load", "gauge", ("node",)),
    MetricRow("bulkhead_node_cpu", "gauge", ("node",)),
    MetricRow("bulkhead_node_memory_bytes", "gauge", ("node",)),
    MetricRow("bulkhead_node_silent_seconds", "gauge", ("node",)),
)
_UNITS: Final = {"seconds": "s", "bytes": "By"}


def otlp_name(name: str) -> tuple[str, str]:
    """The name and the unit in OTLP of a metric of Prometheus: ``bulkhead_headroom_bytes`` is
    ``bulkhead.headroom`` in ``By``."""
    rest, _, last = name.rpartition("_")
    own = name.replace("bulkhead_", "bulkhead.", 1)
    if last not in _UNITS or rest.endswith("_byte"):  # byte seconds are no unit that a collector knows
        return own, ""
    return own.removesuffix(f"_{last}"), _UNITS[last]


def known_series() -> frozenset[str]:
    """Every name that a query over our metrics may use."""
    return frozenset(series for row in METRICS for series in row.series)
