"""The page's files and words, with the headers that keep everything else out."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from urllib.parse import urlsplit

from fastapi import Request, Response

from config.crisis_lines import load_crisis_lines
from config.language import Language
from config.texts import load_texts

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}

_WORDS = ("web.", "menu.", "crisis.intro", "input.empty", "input.too_long")  # the texts that the page shows

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@cache
def static_files() -> dict[str, tuple[bytes, str, str]]:
    """Content, media type and entity tag of each file that comes with the page."""
    found = {}
    for file in files("adapters.web").joinpath("static").iterdir():
        content = file.read_bytes()
        media_type = _TYPES["." + file.name.rpartition(".")[2]]
        found[file.name] = (content, media_type, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
    return found


def static_file(name: str, request: Request) -> Response:
    """A file of the page, or 304 if the browser has this very one, or 404."""
    if name not in static_files():
        return Response("There is no such file.", 404, HEADERS, "text/plain")
    content, media_type, tag = static_files()[name]
    headers = {**HEADERS, "Cache-Control": "no-cache", "ETag": tag}
    if request.headers.get("If-None-Match") == tag:
        return Response(None, 304, headers)
    return Response(content, 200, headers, media_type)


def strings(language: Language, country: str) -> dict[str, object]:
    """The page's words in a language, and the crisis lines it can show while the server cannot be reached."""
    texts = load_texts(language)
    words = {
        key: texts.get(key, **{field: f"{{{field}}}" for field in texts.fields(key)})  # the page fills them in
        for key in sorted(texts.keys())
        if key.startswith(_WORDS)
    }
    table = load_crisis_lines()
    rows = table.of(country, "emergency") + table.of(country, "crisis")
    return {
        "words": words,
        "lines": [
            {"name": row.name[language], "number": row.number, "channel": row.channel, "hours": row.hours[language]}
            for row in rows
        ],
        "numbers": sorted({row.number for row in table.lines}),
    }


def same_origin(origin: str | None, host: str | None, public_url: str) -> bool:
    """Whether a browser's Origin header names this very site: the host it asked for, or the public address."""
    if not origin:
        return False
    try:
        asked, public = urlsplit(origin), urlsplit(public_url)
    except ValueError:
        return False
    if public_url and (asked.scheme, asked.netloc) == (public.scheme, public.netloc):
        return True
    return asked.scheme in ("http", "https") and bool(asked.netloc) and asked.netloc == host
