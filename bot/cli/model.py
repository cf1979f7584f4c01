"""`psyllm model`: fetch a language model from the hub, and see whether the configured one does here."""

import asyncio
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from bot.cli.logs import set_up_logs
from config import ConfigError, Language, Script, load_settings
from config.settings import Settings
from engine.generators.local import LocalGenerator
from engine.guard import Guard
from engine.types import GeneratorError, Request

OTHER_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.h5", "*.msgpack", "*.ckpt", "*.ot")  # the same weights once more
NEVER = (
    "*.gguf",
    "*.onnx*",
    "*.tflite",
    "*.mlmodel",
    "onnx/*",
    "openvino/*",
    "original/*",
    "consolidated*",
    "coreml/*",
    "*.zip",
)
QUESTION = {Language.ZH: "最近总是睡不好，有点累。", Language.EN: "I have not been sleeping well and I am tired."}
SHORT_ANSWER = 64  # tokens that are timed
USUAL_ANSWER = 160  # tokens of an answer in service
SPARE = 200_000_000  # bytes of the disk that a download leaves free
_EXTRA = "language models need an extra: pip install 'psyllm-bot[llm]'"


@dataclass(frozen=True)
class _Plan:
    """What is to be fetched. Sizes in bytes."""

    revision: str
    licence: str
    size: int
    missing: int
    leave_out: tuple[str, ...]


def pull_model(model: str, out: Path | None) -> None:
    """Download a model into the hub's cache, or into a folder. Raises ConfigError.

    What is there already is kept, so after an interruption the same command goes on where it stopped.
    """
    try:
        from huggingface_hub import constants, snapshot_download
    except ImportError:
        raise ConfigError(_EXTRA) from None
    try:
        plan = _plan(model, out)
        place = out or Path(constants.HF_HUB_CACHE)
        _announce(model, plan, place)
        folder = snapshot_download(model, local_dir=out, ignore_patterns=list(plan.leave_out))
    except KeyboardInterrupt:
        raise ConfigError(f"model pull {model}: interrupted; the same command goes on where it stopped") from None
    except ConfigError:
        raise
    except Exception as error:  # the hub's client raises its own, its HTTP library's, and the system's errors
        raise ConfigError(f"model pull {model}: {_reason(error, model)}") from None
    name = folder if out else model
    typer.echo(f"It is complete, in {folder}")
    typer.echo(f"Try it:  psyllm model check {name}")
    typer.echo(f"Use it:  PSYLLM_GENERATOR=transformers PSYLLM_TRANSFORMERS__MODEL={name} psyllm run")


def _plan(model: str, out: Path | None) -> _Plan:
    from huggingface_hub import HfApi, snapshot_download

    info = HfApi().model_info(model)
    names = [file.rfilename for file in info.siblings or []]
    if not any(name.endswith((".safetensors", ".bin")) for name in names):
        raise ConfigError(f"model pull {model}: holds no weights that transformers reads (.safetensors or .bin)")
    twice = OTHER_WEIGHTS if any(name.endswith(".safetensors") for name in names) else ()
    leave_out = (*NEVER, *twice)
    files = snapshot_download(model, local_dir=out, ignore_patterns=list(leave_out), dry_run=True, tqdm_class=_silent())
    return _Plan(
        revision=str(info.sha),
        licence=_licence(info),
        size=sum(file.file_size or 0 for file in files),
        missing=sum(file.file_size or 0 for file in files if file.will_download),
        leave_out=leave_out,
    )


def _silent() -> Any:
    """A progress bar that shows nothing, for looking up sizes."""
    from functools import partial

    from tqdm import tqdm

    return partial(tqdm, disable=True)


def _licence(info: Any) -> str:
    named = next((tag.removeprefix("license:") for tag in info.tags or [] if tag.startswith("license:")), "")
    return named or "not stated; ask its makers before you use it"


def _announce(model: str, plan: _Plan, place: Path) -> None:
    """Say what will happen. Raises ConfigError where the disk is too small."""
    free = shutil.disk_usage(next(folder for folder in (place, *place.absolute().parents) if folder.exists())).free
    typer.echo(f"{model}, version {plan.revision[:8]}")
    typer.echo(f"licence: {plan.licence}")
    typer.echo(f"size: {_bytes(plan.size)}, to download: {_bytes(plan.missing)}, free on the disk: {_bytes(free)}")
    if plan.missing + SPARE > free:
        raise ConfigError(
            f"model pull {model}: {_bytes(plan.missing)} do not fit on the disk of {place}; make room, take a smaller "
            "model, or give another folder with --out"
        )


def _bytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _reason(error: Exception, model: str) -> str:
    """What went wrong with the hub, and what to do."""
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    if isinstance(error, errors.GatedRepoError):
        return f"is given only to those who accept its terms: do so at {hub}/{model} and set HF_TOKEN to your token"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"there is no such model at {hub}; if it is a private one, set HF_TOKEN to your token"
    if isinstance(error, errors.HFValidationError):
        return "is not the name of a model; names are like owner/model"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set; unset it to download"
    if isinstance(error, errors.HfHubHTTPError):
        status = getattr(error.response, "status_code", "an error")
        return f"the hub answered {status}; try again, what was downloaded is kept"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{error.strerror or type(error).__name__}; make room or give another folder with --out"
    return (
        f"cannot reach {hub} ({type(error).__name__}); check the network, or set HF_ENDPOINT to a mirror. "
        "The same command goes on where it stopped"
    )


def check_model(model: str) -> int:
    """Load the configured model (or this one), time a short answer, and print what to know; 1 if something is wrong."""
    settings = load_settings()
    set_up_logs(settings.log)
    name = model or settings.transformers.model
    if not name:
        raise ConfigError("model check: no model is set; name one, or set transformers.model (a hub id or a folder)")
    wanted = settings.transformers.model_copy(update={"model": name, "max_new_tokens": SHORT_ANSWER})
    try:
        return asyncio.run(_check(LocalGenerator(wanted), settings))
    except GeneratorError as error:
        raise ConfigError(f"model check: {error}") from None


async def _check(generator: LocalGenerator, settings: Settings) -> int:
    out = Console(highlight=False)
    began = time.perf_counter()
    with out.status("loading"):
        await generator.start()
    try:
        _describe(out, generator, time.perf_counter() - began)
        faults = [fault for language in Language for fault in await _timed_answer(out, generator, language, settings)]
    finally:
        await generator.close()
    for fault in faults:
        out.print(f"[red]what to do[/]  {escape(fault)}", soft_wrap=True)
    if not faults:
        out.print("All is well.")
    return 1 if faults else 0


def _describe(out: Console, generator: LocalGenerator, seconds: float) -> None:
    import torch

    loaded = generator.loaded
    model, device = loaded.model, loaded.model.device
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    rows = {
        "model": f"{generator.name}, version {generator.version or 'unknown'}, loaded in {seconds:.1f} s",
        "size": f"{model.num_parameters() / 1e6:,.1f} million parameters, {_bytes(model.get_memory_footprint())}",
        "computes in": f"{str(model.dtype).removeprefix('torch.')} on {device} ({where})",
        "memory": _memory(device),
        "context": f"{loaded.context} tokens for question and answer together",
        "chat template": "yes" if loaded.tokenizer.chat_template else "no; it is asked as plain question and answer",
    }
    for name, value in rows.items():
        out.print(f"{name:14} {escape(value)}", soft_wrap=True)


def _memory(device: Any) -> str:
    import psutil
    import torch

    used = f"the process holds {_bytes(psutil.Process().memory_info().rss)}"
    used += f", {_bytes(psutil.virtual_memory().available)} are free"
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        used += f"; the GPU has {_bytes(free)} of {_bytes(total)} free"
    return used


async def _timed_answer(out: Console, generator: LocalGenerator, language: Language, settings: Settings) -> list[str]:
    """Let it answer once; what is wrong with how it did, as sentences for the operator."""
    request = Request(QUESTION[language], language, Script.HANS if language is Language.ZH else Script.LATIN)
    began, first, answer = time.perf_counter(), 0.0, ""
    async for piece in generator.stream(request):
        first = first or time.perf_counter() - began
        answer += piece.text
    seconds = time.perf_counter() - began
    tokens = min(SHORT_ANSWER, len(generator.loaded.tokenizer.encode(answer, add_special_tokens=False)))
    rate = tokens / seconds
    out.print(f"{f'answer, {language}':14} {tokens} tokens, {rate:.1f} a second, the first after {first:.2f} s")
    out.print(f"{'':14} {escape(answer.strip())}", soft_wrap=True)
    return list(_faults(answer, rate, request, settings))


def _faults(answer: str, rate: float, request: Request, settings: Settings) -> list[str]:
    limit, needed = settings.turn.reply_timeout_seconds, USUAL_ANSWER / rate if rate else float("inf")
    faults = []
    if not answer.strip():
        faults.append(f"{request.language}: it answers nothing; take an instruct model, or set transformers.prompt")
    elif rules := Guard().check(answer, request, final=False):
        faults.append(
            f"{request.language}: the guard would stop this answer ({', '.join(rules)}) and the library would answer; "
            "if that is the rule, take an instruct model that knows this language"
        )
    if needed > limit:
        faults.append(
            f"an answer takes about {needed:.0f} s here, more than turn.reply_timeout_seconds ({limit:.0f}), so the "
            "library will answer; take a smaller model, set transformers.quantize to int8, or use a GPU or a server"
        )
    return faults
