# Written by `python -m runtime.compat.stubs`.
from runtime.sdk.context import AgentChatContext as AgentChatContext
from runtime.sdk.context import AgentChatContext as AgentSessionContext
from runtime.sdk.task_context import TaskContext as AgentCallContext
from runtime.sdk.task_context import TaskContext as TaskContext
from runtime.sdk.task_runner import TaskRunner as TaskRunner
