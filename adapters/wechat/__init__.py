"""A WeChat official account: callbacks in, passive answers and customer-service messages out."""

from adapters.wechat.adapter import WeChatAdapter

__all__ = ["WeChatAdapter"]
