"""The bot to compare with: python-telegram-bot's own Application that echoes and stores nothing.

`python -m tests.bench.ptb_echo URL TOKEN`
"""

import sys
from typing import Any

from telegram import Update
from telegram.ext import Application, MessageHandler, filters


async def echo(update: Update, _: Any) -> None:
    if update.message and update.message.text:
        await update.message.reply_text(f"echo: {update.message.text}.")


def main(url: str, token: str) -> None:
    application = Application.builder().token(token).base_url(f"{url}/bot").base_file_url(f"{url}/file/bot").build()
    application.add_handler(MessageHandler(filters.TEXT, echo))
    application.run_polling(drop_pending_updates=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
