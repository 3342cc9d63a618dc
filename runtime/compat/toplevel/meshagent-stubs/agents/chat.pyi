# Written by `python -m runtime.compat.stubs`.
from runtime.sdk.chat.chat_hooks import ChatThreadContext as ChatThreadContext
from runtime.sdk.chat.chatbot import ChatBot as ChatBot
from runtime.sdk.chat.chatbot import ChatBot as ChatBotBase
