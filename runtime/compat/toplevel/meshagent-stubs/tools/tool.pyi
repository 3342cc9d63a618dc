# Written by `python -m runtime.compat.stubs`.
from runtime.sdk.tools.function_tool import FunctionTool as FunctionTool
from runtime.sdk.tools.function_tool import tool as tool
from runtime.sdk.tools.toolkit import BaseTool as BaseTool
from runtime.sdk.tools.toolkit import ToolContext as RoomToolContext
from runtime.sdk.tools.toolkit import Tool as Tool
from runtime.sdk.tools.toolkit import ToolContext as ToolContext
