"""How a counsellor is reached, besides the console: telegram, wecom, webhook, email. Read from roster.toml.

A secret stands in no file that others read: `x_file` names a file that holds it, `x_env` an environment variable.
"""

import base64
import binascii
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator


class Channel(StrEnum):
    """A way to reach a counsellor, in the order in which they are tried where nothing else is said."""

    TELEGRAM = "telegram"
    WECOM = "wecom"
    WEBHOOK = "webhook"
    EMAIL = "email"
    CONSOLE = "console"  # an open page of the console; everybody has it


class _Target(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _secret(name: str, file: Path | None, variable: str | None) -> str:
    """What the file or variable holds. Raises ValueError saying which could not be read."""
    if file is not None:
        try:
            value = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{name}_file: cannot read {file} ({type(error).__name__}); check the path and its rights"
            ) from None
    else:
        value = os.environ.get(variable or "", "").strip()
    if not value:
        raise ValueError(f"{name}: {f'{file} is empty' if file else f'the variable {variable} is not set'}")
    return value


def _address(url: str) -> str:
    """A URL that is safe to send pages to: encrypted unless it stays on this machine, and without a password in it."""
    parts = urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not a web address such as https://example.org/pages")
    if parts.scheme == "http" and not local:
        raise ValueError("must begin with https://, so that nobody on the way reads or changes pages")
    if parts.username or parts.password:
        raise ValueError("holds a password; pages are signed, so the receiver needs none")
    return url


WebAddress = Annotated[str, AfterValidator(_address)]
EmailAddress = Annotated[str, Field(pattern=r"^[^@\s<>,;:\"]+@[^@\s<>,;:\"]+$", max_length=254)]

_PREFIX = "whsec_"


def signing_key(secret: str) -> bytes:
    """The bytes of a secret as Standard Webhooks writes them: `whsec_` and base64 of 24 to 64 bytes."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True) if secret.startswith(_PREFIX) else b""
    except binascii.Error:
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError('secret: must be whsec_ and base64 of 24 to 64 bytes: echo "whsec_$(openssl rand -base64 32)"')
    return key


class Webhook(_Target):
    """A program of the operator's that is sent each page, signed."""

    url: WebAddress
    secret_file: Path | None = None
    secret_env: str | None = None
    secret: SecretStr = Field(default=SecretStr(""), exclude=True, repr=False)  # filled from one of the two

    @model_validator(mode="before")
    @classmethod
    def _read_secret(cls, values: Any) -> Any:
        return _with_secret(values, "secret") if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _is_signed(self) -> Self:
        signing_key(self.secret.get_secret_value())
        return self


class WeCom(_Target):
    """A member of the company's WeCom, written to by its application, or a group's robot."""

    user: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")  # the member's UserID
    robot_key_file: Path | None = None  # the part of the robot's address after key=
    robot_key_env: str | None = None
    robot_key: SecretStr | None = Field(default=None, exclude=True, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _read_secret(cls, values: Any) -> Any:
        if isinstance(values, dict) and ("robot_key_file" in values or "robot_key_env" in values):
            return _with_secret(values, "robot_key")
        return values

    @model_validator(mode="after")
    def _member_or_robot(self) -> Self:
        if (self.user is None) == (self.robot_key is None):
            raise ValueError("write either user = ID, or robot_key_file = FILE (or robot_key_env = VARIABLE)")
        return self


def _with_secret(values: dict[str, Any], name: str) -> dict[str, Any]:
    """The values with the secret `name` filled from its file or variable; the secret itself may not stand there."""
    if name in values:
        raise ValueError(f"{name}: a secret does not belong in the file; write {name}_file or {name}_env")
    file, variable = values.get(f"{name}_file"), values.get(f"{name}_env")
    if (file is None) == (variable is None):
        raise ValueError(f"write one of {name}_file and {name}_env")
    return values | {name: _secret(name, Path(file) if file is not None else None, variable)}
