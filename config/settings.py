"""Every setting an operator may make, typed, read once.

Sources, strongest first: environment variables (`PSYLLM_` and `__` between levels), then `psyllm.toml` in the working
directory or the file that `PSYLLM_CONFIG` names. Secrets come from the environment or from a file that a `*_file` key
names, never from psyllm.toml itself.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.errors import ConfigError
from config.language import Language

DEFAULT_FILE = "psyllm.toml"
_PREFIX = "PSYLLM_"


class _Group(BaseModel):
    """A table of the configuration file. Unknown keys are errors; `x_file` fills an empty secret `x` from a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: Any) -> Any:
        return _with_secret_files(values, cls.model_fields) if isinstance(values, dict) else values


def _with_secret_files(values: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fill each empty secret `x` from the file that `x_file` names."""
    filled = dict(values)
    for key in [k for k in fields if k.endswith("_file") and k.removesuffix("_file") in fields]:
        if (path := filled.get(key)) and not filled.get(key.removesuffix("_file")):
            try:
                filled[key.removesuffix("_file")] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(
                    f"{key}: cannot read {path} ({type(error).__name__}); check the path and its rights"
                ) from None
    return filled


class WebSettings(_Group):
    """The HTTP server: web chat, console, webhooks, health."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    public_url: str = ""  # as people reach it, for example https://care.example.org
    trusted_proxies: str = "127.0.0.1"  # whose X-Forwarded-* headers count


class TelegramSettings(_Group):
    """Telegram; on when a token is set."""

    token: SecretStr | None = None
    token_file: Path | None = None
    api_base: str = "https://api.telegram.org"
    mode: Literal["polling", "webhook"] = "polling"
    webhook_url: str = ""
    webhook_secret: SecretStr | None = None
    webhook_secret_file: Path | None = None

    @model_validator(mode="after")
    def _webhook_is_complete(self) -> Self:
        if self.mode == "webhook" and not (self.webhook_url and self.webhook_secret):
            raise ValueError("webhook mode needs webhook_url and webhook_secret")
        return self


class WeChatSettings(_Group):
    """A WeChat official account; on when app_id is set."""

    app_id: str = ""
    app_secret: SecretStr | None = None
    app_secret_file: Path | None = None
    token: SecretStr | None = None
    token_file: Path | None = None
    aes_key: SecretStr | None = None
    aes_key_file: Path | None = None
    api_base: str = "https://api.weixin.qq.com"
    customer_service: bool = True

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.app_id and not self.token:
            raise ValueError(
                "app_id is set, so token is needed too (the one you typed into the platform's server settings)"
            )
        if self.app_id and self.customer_service and not self.app_secret:
            raise ValueError("customer_service needs app_secret; set it, or set customer_service to false")
        if self.aes_key and len(self.aes_key.get_secret_value()) != 43:
            raise ValueError("aes_key must have 43 characters, as the platform shows it")
        return self


class EmailSettings(_Group):
    """The mail server that pages leave by; on when host is set."""

    host: str = ""
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: SecretStr | None = None
    password_file: Path | None = None
    sender: str = ""  # the address that pages come from
    timeout_seconds: float = Field(10.0, gt=0, le=25)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.host and not self.sender:
            raise ValueError("host is set, so sender is needed too, the address that pages come from")
        if self.password and not self.username:
            raise ValueError("password is set, so username is needed too")
        if self.password and self.security == "none" and self.host not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("security is none, so the password would travel in plain; set it to starttls or tls")
        return self


class WeComSettings(_Group):
    """The company's WeCom. Members need corp_id, agent_id and secret; a group's robot has its key in the roster."""

    corp_id: str = ""
    agent_id: int = 0
    secret: SecretStr | None = None
    secret_file: Path | None = None
    api_base: str = "https://qyapi.weixin.qq.com"
    timeout_seconds: float = Field(10.0, gt=0, le=25)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.corp_id and not (self.agent_id and self.secret):
            raise ValueError("corp_id is set, so agent_id and secret are needed too (of the application that writes)")
        return self


class OperatorSettings(_Group):
    """Who is told when something keeps people from being helped, besides the counsellors with the role operator."""

    telegram: int | None = None  # the numeric id of a private chat with the bot
    email: str = ""
    webhook_url: str = ""
    webhook_secret: SecretStr | None = None
    webhook_secret_file: Path | None = None
    heartbeat_url: SecretStr | None = None  # called every audit_seconds while all is well, and not otherwise
    heartbeat_url_file: Path | None = None
    audit_seconds: float = Field(60.0, ge=1, le=3600)

    @model_validator(mode="after")
    def _webhook_is_signed(self) -> Self:
        if self.webhook_url and not self.webhook_secret:
            raise ValueError("webhook_url is set, so webhook_secret is needed too; it signs what is sent")
        return self


class TransformersSettings(_Group):
    """A language model in this process."""

    model: str = ""
    device: str = "auto"
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    quantize: Literal["none", "int8"] = "none"
    prompt: Literal["chat", "completion"] = "chat"
    max_new_tokens: int = Field(320, ge=8, le=4096)
    batch_size: int = Field(16, ge=1, le=256)
    queue_size: int = Field(256, ge=1)
    threads: int = Field(0, ge=0)  # 0: as torch chooses

    @model_validator(mode="after")
    def _quantizes_where_it_can(self) -> Self:
        if self.quantize != "none" and self.device not in ("auto", "cpu"):
            raise ValueError(f"quantize: {self.quantize} runs on a CPU only; set it to none, or device to cpu")
        return self


class OpenAISettings(_Group):
    """A language model behind an OpenAI-compatible server."""

    base_url: str = ""
    api_key: SecretStr | None = None
    api_key_file: Path | None = None
    model: str = ""
    max_tokens: int = Field(400, ge=8, le=8192)
    connect_timeout_seconds: float = Field(5.0, gt=0)


class ClassifierSettings(_Group):
    """A text classifier in this process, asked for a second opinion."""

    model: str = ""
    device: str = "auto"
    labels: dict[str, Literal["none", "elevated", "urgent", "emergency"]] = {}  # of a model with labels of its own
    threshold: float = Field(0.5, gt=0, lt=1)  # probability of danger from which a text is urgent
    timeout_seconds: float = Field(10.0, gt=0, le=120)


class EmbeddingSettings(_Group):
    """A transformer that finds passages by meaning, for a language model to ground its answers on. Empty: by words."""

    model: str = ""
    device: str = "auto"


class JudgeSettings(OpenAISettings):
    """A language model asked for a second opinion. Without a base_url of its own it is asked where `openai` points."""

    max_tokens: int = Field(100, ge=32, le=8192)
    timeout_seconds: float = Field(10.0, gt=0, le=120)


class TurnSettings(_Group):
    """How answers are made."""

    gather_seconds: float = Field(1.5, ge=0, le=60)
    reply_timeout_seconds: float = Field(30.0, gt=0, le=600)
    history_messages: int = Field(24, ge=0, le=200)
    concurrency: int = Field(256, ge=1)


class HandoffSettings(_Group):
    """Bounds of a handoff. Who is alerted stands in the roster."""

    roster: Path | None = None
    lease_seconds: float = Field(600.0, ge=30)  # a claim without a word from the counsellor lapses after this
    reassure_seconds: float = Field(180.0, ge=10)  # how often a waiting user hears how things stand
    transfer_seconds: float = Field(180.0, ge=30)  # a case held out to a colleague stays with its holder after this
    review: bool = False  # a counsellor approves every answer of the bot before it leaves
    review_seconds: float = Field(300.0, ge=30)  # after this the user hears that the answer still waits
    ack_minutes: float = Field(3.0, ge=0.5, le=60)  # "I'm coming" without a claim counts this long
    overdue_seconds: float = Field(300.0, ge=10)  # a handoff that waits longer is counted as over the limit


class WorkSettings(_Group):
    """Claims and polling."""

    lease_seconds: float = Field(15.0, ge=1)  # after this another process takes over the work of a dead one
    poll_seconds: float = Field(1.0, gt=0)  # the safety net below wake-ups


class FollowUpSettings(_Group):
    """What the bot sends on its own; see docs/follow-ups.md."""

    programmes: Path | None = None  # a folder of the operator's own programmes, besides the shipped ones
    per_second: float = Field(15.0, gt=0, le=10_000)  # on each platform; Telegram lets about 30 through in all
    jitter_seconds: int = Field(120, ge=0, le=3600)  # not everybody's eight o'clock is one moment
    quiet_from: str = Field("22:00", pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")  # on each person's own clock
    quiet_until: str = Field("08:00", pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")


class LogSettings(_Group):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Settings(BaseSettings):
    """All settings. Build with `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    data_dir: Path = Field(default_factory=lambda: platformdirs.user_data_path("psyllm"))
    database_url: str = ""
    secret_keys: SecretStr | None = None  # comma-separated, newest first
    secret_keys_file: Path | None = None
    language: Language = Language.ZH  # for users whose language is not known yet
    country: str = Field("CN", pattern="^[A-Z]{2}$")  # whose crisis lines are shown when a user's country is not known
    generator: Literal["library", "transformers", "openai"] = "library"
    second_opinion: Literal["none", "classifier", "judge"] = "none"
    web: WebSettings = WebSettings()
    telegram: TelegramSettings = TelegramSettings()
    wechat: WeChatSettings = WeChatSettings()
    email: EmailSettings = EmailSettings()
    wecom: WeComSettings = WeComSettings()
    operator: OperatorSettings = OperatorSettings()
    transformers: TransformersSettings = TransformersSettings()
    openai: OpenAISettings = OpenAISettings()
    embeddings: EmbeddingSettings = EmbeddingSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    judge: JudgeSettings = JudgeSettings()
    turn: TurnSettings = TurnSettings()
    handoff: HandoffSettings = HandoffSettings()
    work: WorkSettings = WorkSettings()
    followups: FollowUpSettings = FollowUpSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: Any) -> Any:
        return _with_secret_files(values, cls.model_fields) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _generator_is_complete(self) -> Self:
        if self.generator == "transformers" and not self.transformers.model:
            raise ValueError("generator is transformers, so transformers.model is needed (a hub id or a folder)")
        if self.generator == "openai" and not (self.openai.base_url and self.openai.model):
            raise ValueError("generator is openai, so openai.base_url and openai.model are needed")
        return self

    @model_validator(mode="after")
    def _second_opinion_is_complete(self) -> Self:
        if self.second_opinion == "classifier" and not self.classifier.model:
            raise ValueError("second_opinion is classifier, so classifier.model is needed (a hub id or a folder)")
        judge = self.judge_server
        if self.second_opinion == "judge" and not (judge.base_url and judge.model):
            raise ValueError(
                "second_opinion is judge, so judge.base_url and judge.model are needed, or those of openai"
            )
        return self

    @property
    def opinion_timeout_seconds(self) -> float:
        """How long a second opinion may take."""
        return self.classifier.timeout_seconds if self.second_opinion == "classifier" else self.judge.timeout_seconds

    @property
    def judge_server(self) -> JudgeSettings:
        """The judge with its server filled in: `openai`'s and its key, unless the judge has one of its own."""
        if self.judge.base_url:
            return self.judge
        shared = {"base_url": self.openai.base_url, "api_key": self.judge.api_key or self.openai.api_key}
        return self.judge.model_copy(update=shared | {"model": self.judge.model or self.openai.model})

    @property
    def database(self) -> str:
        """The database URL, with the default filled in."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'psyllm.db'}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings  # the file's values come in as init values


def load_settings(path: Path | None = None) -> Settings:
    """Read psyllm.toml (or `path`, or the file PSYLLM_CONFIG names) and the environment.

    Raises ConfigError with one sentence that names the file or variable, the key, and what is wrong.
    """
    file, values = _read_file(path)
    _refuse_unknown_variables()
    try:
        return Settings(**values)
    except ValidationError as error:
        raise ConfigError(_describe(error, file, values)) from None
    except Exception as error:  # pydantic-settings wraps malformed JSON in the environment
        raise ConfigError(f"environment: {error}; nested settings are written PSYLLM_GROUP__KEY=value") from None


def _read_file(path: Path | None) -> tuple[Path | None, dict[str, Any]]:
    named = path or (Path(name) if (name := os.environ.get("PSYLLM_CONFIG")) else None)
    file = named or Path(DEFAULT_FILE)
    if named is None and not file.exists():
        return None, {}
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); create it or correct PSYLLM_CONFIG") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: is not valid TOML: {error}") from None
    _refuse_secrets(values, file)
    return file, values


def _refuse_secrets(values: Mapping[str, Any], file: Path) -> None:
    for key in secret_keys():
        node: Any = values
        for part in key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        if node:
            raise ConfigError(f"{file}: {key}: a secret does not belong in the file; set {variable(key)} or {key}_file")


def secret_keys(model: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    """Dotted names of all settings that hold secrets."""
    found = []
    for name, field in model.model_fields.items():
        if f"{name}_file" in model.model_fields:
            found.append(prefix + name)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, _Group):
            found += secret_keys(field.annotation, f"{prefix}{name}.")
    return found


def variable(key: str) -> str:
    """The environment variable that sets a dotted key."""
    return _PREFIX + key.replace(".", "__").upper()


def _refuse_unknown_variables() -> None:
    """A misspelt PSYLLM_ variable would otherwise be ignored in silence."""
    known = {"PSYLLM_CONFIG"} | {variable(name) for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, _Group):
            known |= {variable(f"{name}.{inner}") for inner in field.annotation.model_fields}
    for name in os.environ:
        if name.upper().startswith(_PREFIX) and name.upper() not in known and not name.startswith("PSYLLM_TEST_"):
            raise ConfigError(f"environment: {name}: no such setting; psyllm.example.toml lists them all")


def _describe(error: ValidationError, file: Path | None, values: Mapping[str, Any]) -> str:
    """One sentence about the first fault and where it came from. Never shows the value: it may be a secret."""
    fault = error.errors(include_input=False, include_url=False)[0]
    key = ".".join(str(part) for part in fault["loc"])
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        message = "no such setting; psyllm.example.toml lists them all"
    where = variable(key) if key and variable(key) in os.environ else (str(file) if file else "settings")
    return f"{where}: {key}: {message}" if key else f"{where}: {message}"
