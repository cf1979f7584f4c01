"""The bot's fixed words to one person: reviewed texts in their language and script, with the right crisis lines."""

from dataclasses import dataclass

from adapters import Button
from bot.store.conversations import Conversation
from config import CrisisLine, CrisisLines, Language, Script, load_other_languages, load_texts
from engine import About, Assessment, Level
from engine.language import other_language, to_script

LINES_SHOWN = 3
"""Crisis lines of a country that a text names beside the emergency numbers: a person in distress reads no long list."""


@dataclass(frozen=True, slots=True)
class Wording:
    """Reads texts and lines for a person. `language` and `country` are used while the person's own are not known."""

    lines: CrisisLines
    language: Language
    country: str

    def language_of(self, person: Conversation) -> Language:
        """The person's language, or the operator's default."""
        return person.language or self.language

    def text(self, person: Conversation, key: str, variant: int = 0, /, **fields: str | int) -> str:
        """The text at `key` in the person's language and script."""
        return in_script(load_texts(self.language_of(person)).get(key, variant, **fields), person.script)

    def button(self, person: Conversation, key: str, action: str) -> Button:
        """A button whose label is the text at `key`."""
        return Button(self.text(person, key), action)

    def safety(self, person: Conversation, found: Assessment) -> str:
        """The reviewed safety text for an assessment at URGENT or EMERGENCY."""
        if found.unsure:
            key = "safety.unsure"
        elif found.about is About.OTHER:
            key = f"safety.other_person.{found.level.value}"
        else:
            key = f"safety.{found.level.value}.{found.category.value if found.category else 'other'}"
        text = self.text(person, key, lines=self.lines_for(person, found.level))
        return text if person.country else f"{text}\n\n{self.text(person, 'crisis.elsewhere')}"

    def safety_in_other(self, person: Conversation, found: Assessment, said: str) -> list[str]:
        """A few words with the lines in the language that somebody in danger wrote, if it is another one we know."""
        key = f"{other_language(said)}.danger"
        if key not in load_other_languages().keys():  # noqa: SIM118
            return []
        lines = self.lines_in(Language.EN, self.country_of(person), found.level)
        return [load_other_languages().get(key, lines=lines)]

    def unsupported(self, person: Conversation, language: str) -> str:
        """That the bot does not read a language (as `other_language` names it): in that one if known, and in ours."""
        key = f"{language}.calm"
        ours = self.text(person, "input.unsupported_language", lines=self.lines_for(person))
        return f"{load_other_languages().get(key)}\n\n{ours}" if key in load_other_languages().keys() else ours  # noqa: SIM118

    def crisis(self, person: Conversation) -> str:
        """The crisis lines of the person's country, as /crisis shows them."""
        parts = [self.text(person, "crisis.intro"), self.lines_for(person, Level.EMERGENCY)]
        if person.country is None:
            parts.append(self.text(person, "crisis.other_country"))
        return "\n\n".join([*parts, self.text(person, "crisis.outro")])

    def country_in(self, text: str) -> str | None:
        """The country of the table that a short text names, by its name in either language or its code."""
        words = text.strip().casefold()
        if words.upper() in self.lines.countries():
            return words.upper()
        for country in self.lines.countries():
            for language in Language:
                name = load_texts(language).get(f"country.{country}").casefold()
                if name in words and len(words) <= len(name) + 20:
                    return country
        return None

    def lines_for(self, person: Conversation, level: Level = Level.URGENT) -> str:
        """The numbers for a person, one a line."""
        lines = self.lines_in(self.language_of(person), self.country_of(person), level)
        return in_script(lines, person.script)

    def country_of(self, person: Conversation) -> str:
        """The country whose lines a person is shown: theirs, or the operator's while it is not known."""
        return person.country if person.country in self.lines.countries() else self.country

    def lines_in(self, language: Language, country: str, level: Level) -> str:
        """The numbers of a country, one a line. The emergency numbers come first when there is no time to lose."""
        emergency = [_line(language, line) for line in self.lines.of(country, "emergency")]
        crisis = [_line(language, line) for line in self.lines.of(country, "crisis")[:LINES_SHOWN]]
        return "\n".join(emergency + crisis if level is Level.EMERGENCY else crisis + emergency)


def _line(language: Language, line: CrisisLine) -> str:
    fields = {"name": line.name[language], "number": line.number}
    if line.kind == "crisis":
        fields["hours"] = line.hours[language]
    return load_texts(language).get(f"line.{line.kind}", **fields)


def in_script(text: str, script: Script) -> str:
    """A reviewed text in the reader's script."""
    return to_script(text, script) if script is Script.HANT else text
