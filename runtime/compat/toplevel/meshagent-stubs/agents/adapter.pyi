# Written by `python -m runtime.compat.stubs`.
from runtime.sdk.llm.adapter import LLMAdapter as LLMAdapter
