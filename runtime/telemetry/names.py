"""Names of attributes.  Those of others' conventions are theirs, letter by letter."""

from __future__ import annotations

from typing import Final

HTTP_METHOD: Final = "http.request.method"
HTTP_ROUTE: Final = "http.route"
HTTP_STATUS: Final = "http.response.status_code"
ERROR: Final = "error.type"
PID: Final = "process.pid"

SESSION_ID: Final = "session.id"
OUTCOME: Final = "bulkhead.outcome"
ENDPOINT: Final = "bulkhead.endpoint"
IDENTITY: Final = "bulkhead.identity"
ROOM: Final = "bulkhead.room"
BUNDLE: Final = "bulkhead.bundle"
ATTEMPT: Final = "bulkhead.attempt"
REASON: Final = "bulkhead.exit.reason"
CPU: Final = "bulkhead.cpu_s"
PEAK_RSS: Final = "bulkhead.peak_rss_bytes"
NODE: Final = "bulkhead.node"
CLASS: Final = "bulkhead.class"
TURN: Final = "bulkhead.turn"
WAITED: Final = "bulkhead.waited_ms"
ROUND: Final = "bulkhead.round"
FIRST_WORD: Final = "bulkhead.first_word_s"

OPERATION: Final = "gen_ai.operation.name"
AGENT: Final = "gen_ai.agent.name"
CONVERSATION: Final = "gen_ai.conversation.id"
PROVIDER: Final = "gen_ai.provider.name"
MODEL: Final = "gen_ai.request.model"
ANSWERED_BY: Final = "gen_ai.response.model"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
FINISH: Final = "gen_ai.response.finish_reasons"
INPUT: Final = "gen_ai.input.messages"
OUTPUT: Final = "gen_ai.output.messages"
TOOL: Final = "gen_ai.tool.name"
CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_TYPE: Final = "gen_ai.tool.type"
ARGUMENTS: Final = "gen_ai.tool.call.arguments"
RESULT: Final = "gen_ai.tool.call.result"

CONTENT: Final = frozenset({INPUT, OUTPUT, ARGUMENTS, RESULT})
"""What people, models and tools say."""
_CONTENT_OF_OTHERS: Final = (
    "gen_ai.prompt",
    "gen_ai.completion",
    "gen_ai.system_instructions",
    "llm.prompts",
    "llm.completions",
    "llm.input_messages",
    "llm.output_messages",
    "input.value",
    "output.value",
    "traceloop.entity.input",
    "traceloop.entity.output",
)
"""The same by names of older conventions and of the instruments that programs use."""


def is_content(name: str) -> bool:
    """Whether an attribute of this name has what people, models and tools say."""
    return name in CONTENT or any(name == one or name.startswith(f"{one}.") for one in _CONTENT_OF_OTHERS)
