"""How the offline model obeys rules: the kinds it knows, applied to a finished answer.

Runs in: anywhere (pure).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

FUN_FACTS = (
    "honey does not spoil; sealed jars thousands of years old have been found still edible.",
    "an octopus has three hearts, and two of them serve only its gills.",
    "bananas are berries in the botanist's sense, and strawberries are not.",
    "a day on Venus is longer than a year on Venus.",
    "sharks are older than trees, by some fifty million years.",
    "the Eiffel Tower grows by about fifteen centimetres on a hot summer day.",
    "wombats leave droppings in the shape of cubes.",
    "a ship's bulkheads were described in Chinese junks centuries before European yards built them.",
    "the first computer bug kept in a logbook was a real moth, taped to the page in 1947.",
    "light from the Sun takes a little over eight minutes to reach us.",
    "sea otters hold paws while they sleep, so that they do not drift apart.",
    "the shortest war on record, between Britain and Zanzibar in 1896, was over in less than an hour.",
    "there are more ways to shuffle a deck of cards than there are atoms on Earth.",
    "cows have best friends, and their hearts beat slower in that company.",
    "the dot over an i or a j is called a tittle.",
    "the metal gallium melts in the palm of your hand.",
    "a bolt of lightning is about five times as hot as the surface of the Sun.",
    "Scotland's national animal is the unicorn.",
    "the Python language is named after a comedy troupe, not after the snake.",
    "a group of flamingos is called a flamboyance.",
    "water can boil and freeze at once; it is called the triple point.",
    "the inventor of the microwave oven noticed the effect when a bar in his pocket melted.",
    "hummingbirds are the only birds that can fly backwards for long.",
    "oxygen is pale blue when it is a liquid.",
)

STRIDE = 7  # shares no divisor with the number of facts, so that a chat hears all before one comes again

Apply = Callable[[str, int], str]
"""(answer, seed) -> answer; the seed counts up through a chat."""


class Obedience(msgspec.Struct, frozen=True):
    """What the offline model makes of a set of rules."""

    followed: tuple[str, ...]
    noted: tuple[str, ...]
    """Rules that take a real model to follow."""
    steps: tuple[Apply, ...]

    def apply(self, answer: str, seed: int) -> str:
        """The answer as the rules want it."""
        for step in self.steps:
            answer = step(answer, seed)
        return answer


def obey(rules: Sequence[str]) -> Obedience:
    """Sort rules into those that can be followed and those that can only be noted."""
    followed: list[str] = []
    noted: list[str] = []
    steps: list[tuple[int, Apply]] = []
    for rule in rules:
        matched = [(order, make(rule)) for order, pattern, make in KNOWN if pattern.search(rule)]
        usable = [(order, step) for order, step in matched if step is not None]
        (followed if usable else noted).append(rule)
        steps.extend(usable)
    steps.sort(key=lambda pair: pair[0])
    return Obedience(tuple(followed), tuple(noted), tuple(step for _, step in steps))


def fun_fact(seed: int) -> str:
    """One of the facts; the same for the same seed, and another for each of the seeds that follow it."""
    return FUN_FACTS[seed * STRIDE % len(FUN_FACTS)]


def _brief(rule: str) -> Apply:
    def step(answer: str, seed: int) -> str:
        if "\n- " in answer:
            return answer  # half a list is no shorter answer, it is a wrong one
        sentence = re.match(r".*?[.!?](?=\s|$)", answer.strip(), re.S)
        return (sentence.group(0) if sentence else answer.strip().split("\n", 1)[0]).strip()

    return step


def _fun_fact(rule: str) -> Apply:
    first = re.search(r"fun fact.{0,30}\b(at the (start|beginning)|first)\b", rule, re.I) is not None

    def step(answer: str, seed: int) -> str:
        fact = f"Fun fact: {fun_fact(seed)}"
        return f"{fact}\n\n{answer}" if first else f"{answer}\n\n{fact}"

    return step


def _quoted(rule: str) -> str:
    found = re.search(r"[\"“'`](.+?)[\"”'`](?!\w)", rule)
    return found.group(1) if found else ""


def _ending(rule: str) -> Apply | None:
    ending = _quoted(rule)
    return (lambda answer, seed: f"{answer} {ending}") if ending else None


def _opening(rule: str) -> Apply | None:
    opening = _quoted(rule)
    return (lambda answer, seed: f"{opening} {answer}") if opening else None


def _upper(rule: str) -> Apply:
    return lambda answer, seed: answer.upper()


def _lower(rule: str) -> Apply:
    return lambda answer, seed: answer.lower()


def _emoji(rule: str) -> Apply:
    return lambda answer, seed: f"{answer} 🙂"


def _pirate(rule: str) -> Apply:
    return lambda answer, seed: f"Arr! {answer}"


def _bullets(rule: str) -> Apply:
    def step(answer: str, seed: int) -> str:
        sentences = [part.strip() for part in re.split(r"(?<=[.!?])\s+", answer) if part.strip()]
        return "\n".join(f"- {part.removeprefix('- ')}" for part in sentences)

    return step


# (order of application, what the rule says, what to do): the length first, additions after it, letters last.
KNOWN: tuple[tuple[int, re.Pattern[str], Callable[[str], Apply | None]], ...] = (
    (0, re.compile(r"\b(?:brief|briefly|short|concise|terse|(?:one|single) sentence)\b", re.I), _brief),
    (1, re.compile(r"\bbullet", re.I), _bullets),
    (2, re.compile(r"\bpirate\b", re.I), _pirate),
    (3, re.compile(r"\b(?:start|begin|open)\b.*\bwith\b", re.I), _opening),
    (4, re.compile(r"\b(?:end|finish|close|sign(?: off)?)\b.*\b(?:with|as)\b", re.I), _ending),
    (5, re.compile(r"\bemojis?\b(?<!no emoji)", re.I), _emoji),
    (6, re.compile(r"\bfun facts?\b", re.I), _fun_fact),
    (7, re.compile(r"\b(?:upper ?case|all caps|capital letters)\b", re.I), _upper),
    (7, re.compile(r"\blower ?case\b", re.I), _lower),
)
