"""A receiver of webhooks that trusts nothing unsigned, old or seen before, written from the specification alone."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from fastapi import FastAPI, Request, Response


class HookReceiver:
    """What arrived, verified. `answers` are the next statuses, with Retry-After if given, before anything is kept."""

    def __init__(self, secret: str) -> None:
        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self.received: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.refused: list[str] = []
        self.answers: list[tuple[int, str]] = []

    def app(self) -> FastAPI:
        """The receiver at /pages."""
        app = FastAPI()

        @app.post("/pages")
        async def pages(request: Request) -> Response:
            if self.answers:
                status, wait = self.answers.pop(0)
                return Response(status_code=status, headers={"retry-after": wait} if wait else {})
            body = await request.body()
            if problem := self._problem(request, body):
                self.refused.append(problem)
                return Response(status_code=401)
            if request.headers["webhook-id"] not in self.ids:
                self.ids.append(request.headers["webhook-id"])
                self.received.append(json.loads(body))
            return Response(status_code=204)

        return app

    def _problem(self, request: Request, body: bytes) -> str:
        name, at = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
        if not at.isdigit() or abs(time.time() - int(at)) > 300:
            return "old"
        mine = hmac.new(self._key, b".".join([name.encode(), at.encode(), body]), hashlib.sha256).digest()
        theirs = request.headers.get("webhook-signature", "").split()
        good = any(hmac.compare_digest(f"v1,{base64.b64encode(mine).decode()}", found) for found in theirs)
        return "" if good else "signature"
