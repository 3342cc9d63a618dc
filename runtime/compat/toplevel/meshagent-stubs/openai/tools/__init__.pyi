# Written by `python -m runtime.compat.stubs`.
from runtime.sdk.llm.openai_responses import OpenAIResponsesAdapter as OpenAIResponsesAdapter
from runtime.sdk.llm.openai_responses import OpenAIResponsesToolResponseAdapter as OpenAIResponsesToolResponseAdapter
