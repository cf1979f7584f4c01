"""WeCom's API as far as pages need it: tokens, application messages, a group's robot; faults on demand."""

import itertools
from typing import Any

from fastapi import FastAPI, Request

CORP, SECRET, AGENT, ROBOT = "ww1", "corp-secret", 1000002, "robot-key"


class WeComServer:
    """The platform's memory. `faults` are the errcodes of the next sends; `members` may be written to."""

    def __init__(self) -> None:
        self.members = {"LinYu"}
        self.to_members: list[tuple[str, str]] = []
        self.to_group: list[str] = []
        self.tokens: list[str] = []
        self.faults: list[int] = []
        self._numbers = itertools.count(1)

    def app(self) -> FastAPI:
        """The API."""
        app = FastAPI()

        @app.get("/cgi-bin/gettoken")
        async def token(corpid: str, corpsecret: str) -> dict[str, Any]:
            if corpid != CORP:
                return {"errcode": 40013, "errmsg": "invalid corpid"}
            if corpsecret != SECRET:
                return {"errcode": 40001, "errmsg": "invalid credential"}
            self.tokens.append(f"token{next(self._numbers)}")
            return {"errcode": 0, "errmsg": "ok", "access_token": self.tokens[-1], "expires_in": 7200}

        @app.post("/cgi-bin/message/send")
        async def to_member(access_token: str, request: Request) -> dict[str, Any]:
            if access_token not in self.tokens[-1:]:
                return {"errcode": 40014, "errmsg": "invalid access_token"}
            if self.faults:
                return {"errcode": self.faults.pop(0), "errmsg": "refused"}
            body = await request.json()
            if body["agentid"] != AGENT or body["msgtype"] != "text":
                return {"errcode": 40056, "errmsg": "invalid agentid"}
            if body["touser"] not in self.members:
                return {"errcode": 81013, "errmsg": "user & party & tag all invalid"}
            self.to_members.append((body["touser"], body["text"]["content"]))
            return {"errcode": 0, "errmsg": "ok", "invaliduser": "", "msgid": f"msg{next(self._numbers)}"}

        @app.post("/cgi-bin/webhook/send")
        async def to_group(key: str, request: Request) -> dict[str, Any]:
            if key != ROBOT:
                return {"errcode": 93000, "errmsg": "invalid webhook url"}
            if self.faults:
                return {"errcode": self.faults.pop(0), "errmsg": "refused"}
            self.to_group.append((await request.json())["text"]["content"])
            return {"errcode": 0, "errmsg": "ok"}

        return app
