"""What the offline model says when no tool is called for: honest, useful about itself, deterministic.

Runs in: anywhere (pure).
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Sequence

import msgspec

from runtime.model.contract import FunctionSpec
from runtime.model.offline_rules import Obedience

HOW_TO_GET_A_REAL_ONE = "Set OPENAI_API_KEY or OPENAI_BASE_URL and start again to talk to a real model."

ANSWER_MAX_CHARS = 8_000


class Conversation(msgspec.Struct, frozen=True):
    """What the model may know when it answers."""

    said: str
    """The message to answer."""
    earlier: tuple[str, ...]
    """What the person said before, oldest first."""
    functions: Sequence[FunctionSpec]
    rules: Obedience


def talk_about_itself(conversation: Conversation) -> str | None:
    """Answer a question about the model, its tools, its rules or this chat; None for anything else."""
    return _first(ABOUT_ITSELF, conversation)


def small_talk(conversation: Conversation) -> str:
    """Answer anything else, at worst by saying what this model is."""
    return _first(SMALL_TALK, conversation) or _otherwise(conversation)


def _first(replies: Sequence[tuple[re.Pattern[str], Reply]], conversation: Conversation) -> str | None:
    said = conversation.said.strip()
    for pattern, reply in replies:
        match = pattern.search(said)
        answer = reply(conversation, match) if match else None
        if answer:
            return answer[:ANSWER_MAX_CHARS]
    return None


def tool_list(functions: Sequence[FunctionSpec]) -> str:
    """The tools, one a line."""
    return "\n".join(f"- {spec.name}: {_first_sentence(spec.description)}" for spec in functions)


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.!?])\s", " ".join(text.split()), maxsplit=1)[0] or "(no description)"


def _greet(conversation: Conversation, match: re.Match[str]) -> str:
    name = _name_of(conversation)
    hello = f"Hello{', ' + name if name else ''}! I am the built-in offline model"
    if conversation.earlier:
        return f"{hello}, still here."
    if conversation.functions:
        names = _join([spec.name for spec in conversation.functions])
        return f"{hello}, and I can call {names}. Ask me for that, or ask what I can do."
    return f"{hello}. Ask me what I can do."


def _about(conversation: Conversation, match: re.Match[str]) -> str:
    return (
        "I am the built-in offline model: a small deterministic program that stands in for a language "
        "model, so that agents run without an account, a key or a network. "
        f"{HOW_TO_GET_A_REAL_ONE}"
    )


def _abilities(conversation: Conversation, match: re.Match[str]) -> str:
    parts = [
        "I am the built-in offline model. I stream answers, follow simple rules, do sums, remember what "
        "you told me in this chat, and call tools when you ask for what they do."
    ]
    if conversation.functions:
        parts.append(f"My tools:\n{tool_list(conversation.functions)}")
    else:
        parts.append("This agent has given me no tools.")
    parts.append(HOW_TO_GET_A_REAL_ONE)
    return "\n\n".join(parts)


def _tools(conversation: Conversation, match: re.Match[str]) -> str:
    if not conversation.functions:
        return "This agent has given me no tools."
    return f"I can call these tools:\n{tool_list(conversation.functions)}"


def _rules(conversation: Conversation, match: re.Match[str]) -> str:
    followed, noted = conversation.rules.followed, conversation.rules.noted
    if not followed and not noted:
        return "I was given no rules."
    parts = []
    if followed:
        parts.append("I follow these rules:\n" + "\n".join(f"- {rule}" for rule in followed))
    if noted:
        listed = "\n".join(f"- {rule}" for rule in noted)
        parts.append(f"I keep these in mind, but it takes a real model to follow them:\n{listed}")
    return "\n\n".join(parts)


def _remember(conversation: Conversation, match: re.Match[str]) -> str:
    return f"Nice to meet you, {match.group('name')}. I will remember it in this chat."


def _recall_name(conversation: Conversation, match: re.Match[str]) -> str:
    name = _name_of(conversation)
    return f"Your name is {name}." if name else "You have not told me your name in this chat."


def _recall(conversation: Conversation, match: re.Match[str]) -> str:
    if not conversation.earlier:
        return "That was your first message in this chat."
    count = len(conversation.earlier)
    last = _shorten(conversation.earlier[-1])
    return f"Before this you said: “{last}” ({count} message{'s'[: count > 1]} so far)."


def _echo(conversation: Conversation, match: re.Match[str]) -> str:
    return match.group("text").strip().strip("\"“”'")


def _count(conversation: Conversation, match: re.Match[str]) -> str:
    last = min(int(match.group("last")), 500)
    return "Here you go: " + ", ".join(str(number) for number in range(1, last + 1)) + "."


def _joke(conversation: Conversation, match: re.Match[str]) -> str:
    return "Why did the process refuse to leave the room? It was waiting for its children."


def _story(conversation: Conversation, match: re.Match[str]) -> str:
    return (
        "A ship went out with nine holds and a bulkhead between each two of them. In the first night a "
        "crate broke loose and stove in the side of the fifth, and the sea came in. The cook heard it and"
        " said a prayer; the mate heard it and closed a door. By morning the fifth hold was full, the "
        "ship sat a hand lower in the water, and the coffee in the galley was still hot. In port they "
        "asked the mate what he had done. Nothing much, he said: it was done when she was built."
    )


def _thanks(conversation: Conversation, match: re.Match[str]) -> str:
    return "You are welcome."


def _bye(conversation: Conversation, match: re.Match[str]) -> str:
    return "Goodbye! This chat will be here when you come back."


def _sum(conversation: Conversation, match: re.Match[str]) -> str | None:
    for found in SUM.finditer(MOMENT.sub(" @ ", conversation.said)):
        expression = found[0].strip(" ,=?.")
        if re.search(r"\d\s*(?:[-+*/^x×÷%]|\*\*)\s*[-(]*\d", expression):
            value = calculate(expression)
            if value:
                return f"{expression} = {value}."
    return None


def _otherwise(conversation: Conversation) -> str:
    said = _shorten(conversation.said)
    if said.endswith("?"):
        opening = f"You asked: “{said}” That is beyond me: I am the built-in offline model, and know little."
    else:
        opening = (
            f"You said: “{said}” I am the built-in offline model: I can take that in, not think about it."
        )
    if conversation.functions:
        opening += f" I can call {_join([spec.name for spec in conversation.functions])} if you ask for it."
    return f"{opening} {HOW_TO_GET_A_REAL_ONE}"


def _name_of(conversation: Conversation) -> str:
    for said in reversed(conversation.earlier):
        match = MY_NAME.search(said)
        if match:
            return match.group("name")
    return ""


def _join(names: Sequence[str]) -> str:
    shown = list(names[:6]) + (["more"] if len(names) > 6 else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _shorten(text: str, limit_chars: int = 200) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit_chars else text[: limit_chars - 1] + "…"


# ---- sums

OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


def calculate(expression: str) -> str:
    """Work out a sum of numbers, ``+ - * / % ^`` and brackets; empty when it is not one or is too large."""
    if len(expression) > 200:
        return ""
    python = expression.replace("^", "**").replace("×", "*").replace("÷", "/").replace(",", "")
    python = re.sub(r"(?<=\d)\s*x\s*(?=\d)", "*", python)
    try:
        value = _value(ast.parse(python, mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
        return ""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.10g}"


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            one, other = _value(left), _value(right)
            # 9**9**9 would take the process's memory.
            if isinstance(op, ast.Pow) and (abs(other) > 100 or abs(one) > 1e6):
                raise ValueError("too large")
            result = OPERATORS[type(op)](one, other)
            if isinstance(result, complex):
                raise ValueError("not a real number")
            return result
        case _:
            raise ValueError("not a sum")


SUM = re.compile(r"[-(]*\d[\d\s.,()+*/^x×÷%-]*")
# 2026-11-22T10:00:00Z, 22.11.2026, 11/22/2026, 10:30: the dates and times of day in a text are no sums.
MOMENT = re.compile(
    r"\b\d{4}[-/.]\d\d?[-/.]\d\d?(?:[T ]\d\d?:[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?(?![\d.]*\d)"
    r"|\b\d\d?([-/.])\d\d?\1\d{4}\b"
    r"|\b\d\d?:\d\d(?::\d\d(?:\.\d+)?)?"
)
MY_NAME = re.compile(r"\bmy name is (?P<name>[A-Z][\w-]*)", re.I)
Reply = Callable[[Conversation, "re.Match[str]"], str | None]

ABOUT_ITSELF: tuple[tuple[re.Pattern[str], Reply], ...] = (
    (re.compile(r"^(?:please )?(?:say|repeat|echo)(?: after me)?:?\s+(?P<text>\S.*)", re.I | re.S), _echo),
    (re.compile(r"\bwhat(?:'s| is) my name\b|\bwho am i\b", re.I), _recall_name),
    (MY_NAME, _remember),
    (re.compile(r"\bwhat (?:did|have) i (?:just )?(?:say|said|ask|write|tell)\b"
                r"|\bmy (?:last|previous) message", re.I), _recall),
    (re.compile(r"\b(?:your|the|which|what) rules\b", re.I), _rules),
    (re.compile(r"\b(?:your|which|what|list) (?:the )?tools\b|\btools (?:do|can) you\b", re.I), _tools),
    (re.compile(r"\bwhat (?:can|do) you do\b|^(?:can you |please )?help(?: me)?[\s.!?]*$", re.I), _abilities),
    (re.compile(r"\b(?:who|what) are you\b|\bare you (?:a |an )?(?:real|human|bot|ai|robot|model|gpt)\b"
                r"|\b(?:which|what) model\b|\byour name\b", re.I), _about),
)  # fmt: skip
"""Tried before the tools: a question about a tool is not a call of it."""

SMALL_TALK: tuple[tuple[re.Pattern[str], Reply], ...] = (
    (re.compile(r"\bcount (?:from 1 )?(?:up )?to (?P<last>\d{1,6})\b", re.I), _count),
    (re.compile(r"\bjoke\b", re.I), _joke),
    (re.compile(r"\bstory\b", re.I), _story),
    (re.compile(r"\d"), _sum),
    (re.compile(r"^(?:hi|hello|hey|howdy|good (?:morning|afternoon|evening|day)|ahoy)\b", re.I), _greet),
    (re.compile(r"\b(?:thanks|thank you|cheers)\b", re.I), _thanks),
    (re.compile(r"^(?:bye|goodbye|see you|farewell)\b", re.I), _bye),
)
"""Tried after the tools, in this order; the first that has an answer gives it."""
