"""Follow-ups: what the bot sends on its own, at the right time on each person's clock, or the reason why it did not.

timing, decide   pure: when a day of a programme falls due, and what becomes of it when it does
enrolments       agree, stop, pause, another time: what chat, console and command line can do
worker           takes what is due, decides, puts it into the outbox and plans the next, in one commit
content, voice   what is said
checkins, exercises, moods, forms, words, offers    what people do with it
broadcasts, clock                                   operators' messages at their times
"""

from bot.followups.broadcasts import Broadcasts, DryRun
from bot.followups.enrolments import Enrolments, Refused
from bot.followups.parts import FollowUpParts, make_follow_ups

__all__ = ["Broadcasts", "DryRun", "Enrolments", "FollowUpParts", "Refused", "make_follow_ups"]
