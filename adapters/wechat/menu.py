"""The account's menu: help is one touch away, without knowing a command."""

from config import Texts

# A first-level name may have 16 bytes and shows four Chinese characters, so these cannot be the longer descriptions.
_TOP = (("crisis", "紧急电话"), ("human", "找真人"))
_MORE = "更多"
_BELOW = ("breathe", "help", "privacy", "language", "forget")
_LONGEST_NAME = 60  # bytes, second level


def menu(texts: Texts) -> dict[str, object]:
    """The payload of menu/create. Each entry comes back as a CLICK event with the command as its key.

    At most three entries on the first level and five below each.
    https://developers.weixin.qq.com/doc/offiaccount/Custom_Menus/Creating_Custom-Defined_Menu.html
    """
    top: list[dict[str, object]] = [_entry(command, name) for command, name in _TOP]
    below = [_entry(command, texts.get(f"menu.{command}")) for command in _BELOW]
    return {"button": [*top, {"name": _MORE, "sub_button": below}]}


def _entry(command: str, name: str) -> dict[str, object]:
    fits = name.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return {"type": "click", "name": fits, "key": command}
