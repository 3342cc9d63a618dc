# Written by `python -m runtime.compat.stubs`.
from runtime.sdk.tools.toolkit import ToolContext as ToolContext
from runtime.sdk.tools.toolkit import Toolkit as Toolkit
