"""Which language and script a text is in, and Chinese texts in the script of their reader.

Everything here is pure and takes any string. Only two languages are told apart from "something else", so short lists of
function words do what a trained identifier would, without its size and its mistakes on five-word messages.
"""

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from config import Language, Script
from engine.other_languages import is_other, is_pinyin, name_language

if TYPE_CHECKING:
    from opencc import OpenCC

__all__ = ["detect", "other_language", "to_script", "to_simplified"]

Tongue = tuple[Language, Script]

_MAX_READ = 4000  # characters looked at; the rest of a longer text changes nothing

# Frequent characters whose traditional and simplified forms differ, and that stand in one of the scripts only.
_HANT_ONLY = frozenset(
    "們個來時說對這會過還沒學國長發開關間問題點無經業樣應從動現實當兩電話機書車見親愛覺難讓請謝兒媽爺歲氣裡後麼為"
    "與於裏東師給錢買賣讀寫聽講詢網醫藥險鬱煩惱緊張壓憂慮傷離變夠願幫總歡樂嗎認識頭臉腦腸臟癥應該誰邊遠運進選"
    "適達連遲黨熱愛夢誤課試績歷級組織結線練終絕繼續維緒縮紅約純紙細統綠編緣總羅義習聖聯聲職聰肅腫膽與興舊葉蘇處"
    "號蟲術補裝製複規視觀記訂計訴診評詞詩誠諒談調論諸證譯議護讚豐負財責貴費資賬質賴賽贏趕趙躍踐輕輸輩轉輪辦農邁"
    "鄉醜釋針鈴銀銷鎖錯鍵鐘鐵門閉閒閱隊陽陰陳陸際隨雖雙雜電靜頂項順須預領頻顆願類顧顯風飛飯飲館馬駕騙驗驚髮鬆鬥鬧"
    "鮮鳥鳴麗麥黃齊齡龍龜獨獲獎獻環產畢異療瘋盡監盤眾碼確禮種稱穩窮筆簡節範築籌糧糾亂亞億僅償優儘內冊凍劃劇劉劍創"
    "勝勞勢勵勸區協單衛卻參員啟嘆嚇嚴嘗喪噁圍園圓圖團壞報場塊塵墮壯夾奪奮媧嬰孫寧寶將專尋導屬屆島嶺師帳帶幣幹幾庫廣廳廢廠彈強彎徑徹恆恥悶惡態慘慚慣慶憐憤懷懶戀戰戲戶拋挾捨掃掛採換揚損搖搶撐撥擁擇擊擔據擠擬擴擺擾攝攜攤敗敵數斷曉暈暫曬棄條極構槍樓標樣樹橋檢權歐歲歸殘殺毀氣決況淚淨淺減渦測湯溝溫準滅滿漸潛潤澤濃濕災為爭爾牆狀"
)
_HANS_ONLY = frozenset(
    "们个来时说对这会过还没学国长发开关间问题点无经业样应从动现实当两电话机书车见亲爱觉难让请谢儿妈爷岁气么为与于东"
    "师给钱买卖读写听讲询网医药险郁烦恼紧张压忧虑伤离变够愿帮总欢乐吗认识头脸脑肠脏谁边远运进选适达连迟热梦误课试绩"
    "历级组织结线练终绝继续维绪缩红约纯纸细统绿编缘罗义习联声职聪肿胆兴旧叶处号虫术补装复规视观记订计诉诊评词诗诚"
    "谅谈调论证译议护丰负财责贵费资质赖赛赢赶跃践轻输辈转轮办农乡丑释针铃银销锁错键钟铁门闭闲阅队阳阴陈陆际随虽双杂"
    "静顶项顺须预领频颗类顾显风飞饭饮馆马驾骗验惊斗闹鲜鸟鸣丽黄齐龄龙龟独获奖献环产毕异疗疯尽监盘众码确礼种称稳穷"
    "笔简节范筹乱亚亿仅偿优内册冻划剧创胜劳势励劝区协单卫却参员启叹吓严尝丧恶围园圆图团坏报场块尘壮夺奋婴孙宁宝将专寻"
    "导属届岛帐带币干几库广厅废厂弹强弯彻恒耻闷态惨惭惯庆怜愤怀懒恋战戏户抛扫挂采换扬损摇抢撑拨拥择击担据挤拟扩摆扰摄携摊败敌数断晓晕暂晒弃条极构楼标树桥检权岁归残杀毁决况泪净浅减测汤沟温准灭满渐潜润浓湿灾争墙状"
)
_CANTONESE = frozenset("嘅咗唔係喺冇佢哋嘢乜嚟咁噉啲嗰咩喎啫嘞㗎攞瞓睇")

_ZH_FRAME = re.compile(
    "[我你他她它们們的了是在不很有没沒都就也这這那吗嗎呢吧啊和跟被把给給让讓说說想会會要着著过過对對为為什怎]"
)
_EN_TEXT = (
    "i im ive id ill a an the and or but so because if when then than that this these those is are am was were be "
    "been being do does did "
    "dont doesnt didnt have has had havent cant cannot could would should will wont not no yes my me mine myself "
    "you your youre he she "
    "him her his they them their we us our it its in on at to of for from with without about after before into over "
    "up down out off what "
    "why how who where which can just like feel feels feeling felt really very too always never all everyone "
    "everything nothing nobody "
    "anymore any some more much so get got go going know think want need help please thanks thank hello hi hey okay "
    "sorry talk "
    "tell said there here now today again still even only"
)
_EN_WORDS = frozenset(_EN_TEXT.split())
_WORD = re.compile("[^\\W\\d_\u2e80-\U0010ffff]+(?:['’][^\\W\\d_\u2e80-\U0010ffff]+)*")
_DRESSED = re.compile("[\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff]+")  # full-width and mathematical letters
_NOT_JAPANESE = frozenset("你您们們她吗嗎呢吧很这這时说对过还个样电话让谁难觉东车见长问间门谢请妈爷岁为给嘅咗啲冇")
_URL = re.compile(r"https?://\S+|www\.\S+|\S+@\S+\.\S+", re.IGNORECASE)


def detect(text: str, hint: str = "", previous: Tongue | None = None) -> Tongue | None:
    """The language and script to answer `text` in, or None.

    None means a language the bot does not speak, or nothing to tell one by (emoji, digits, an empty text); the caller
    then keeps the language it used before. `hint` is the platform's language tag (BCP 47, such as `zh-hant`) and
    `previous` the language of the conversation so far; both only decide what the text leaves open. In a text that
    mixes languages the one that frames the sentence wins, so English words inside a Chinese sentence change nothing.
    """
    sample = _readable(text)
    han, kana, other = _count_scripts(sample)
    words = _latin_words(sample)
    if kana > 1 and kana * 4 > han and (kana > han or not _NOT_JAPANESE.intersection(sample)):
        return None
    if other > han + 4 * len(words):
        return None
    if han and _frames_chinese(sample, han, words):
        return Language.ZH, _han_script(sample, hint, previous)
    if words:
        return _latin(words, hint, previous)
    return None


def other_language(text: str, previous: Tongue | None = None) -> str | None:
    """The language of a text that the bot does not speak: its code, or `und` where the words do not tell which.

    None where `detect` finds one that it does speak, and for what is in no language.
    """
    if detect(text, previous=previous) is not None:
        return None
    sample = _readable(text)
    return name_language(sample, _latin_words(sample))


def to_script(text: str, script: Script) -> str:
    """`text` (simplified, as the bot's Chinese texts are kept) in `script`. Anything but HANT returns it as it is."""
    return _converter("s2tw").convert(text) if script is Script.HANT else text


def to_simplified(text: str) -> str:
    """`text` with traditional characters turned into simplified ones, as the bot reads Chinese."""
    return _converter("tw2s").convert(text) if any(char in _HANT_ONLY for char in text) else text


@lru_cache(maxsize=2)
def _converter(way: str) -> "OpenCC":
    # Imported late: the dictionaries take tens of megabytes that only readers of traditional characters need.
    from opencc import OpenCC

    return OpenCC(way)


def _readable(text: str) -> str:
    """What is looked at: the beginning, in plain letters, without addresses."""
    return _DRESSED.sub(lambda found: unicodedata.normalize("NFKC", found[0]), _URL.sub(" ", text[:_MAX_READ]))


def _latin_words(text: str) -> list[str]:
    """Words in Latin letters, in lower case and without apostrophes."""
    return [word.lower().replace("’", "").replace("'", "") for word in _WORD.findall(text) if _is_latin(word[0])]


def _count_scripts(text: str) -> tuple[int, int, int]:
    """How many characters are Han, kana, and letters of a script that is neither of them nor Latin."""
    han = kana = other = 0
    for char in text:
        if char < "\u0250":
            continue
        if "\u3400" <= char <= "\u9fff" or "\U00020000" <= char <= "\U0003ffff" or "\uf900" <= char <= "\ufaff":
            han += 1
        elif "\u3040" <= char <= "\u30ff":
            kana += char not in "のノ・ー"  # decoration in Chinese chat
        elif char.isalpha() and not _is_latin(char) and not "\uff61" <= char <= "\uff9f":  # half-width kana: decoration
            other += 1
    return han, kana, other


def _is_latin(char: str) -> bool:
    return char < "\u0250" or "\u1e00" <= char <= "\u1eff" or unicodedata.name(char, "").startswith("LATIN")


def _frames_chinese(text: str, han: int, words: list[str]) -> bool:
    if not words:
        return True
    chinese = len(_ZH_FRAME.findall(text))
    english = sum(word in _EN_WORDS for word in words)
    if chinese == english:
        return han >= len(words)
    return chinese > english


def _han_script(text: str, hint: str, previous: Tongue | None) -> Script:
    hant = sum(char in _HANT_ONLY or char in _CANTONESE for char in text)
    hans = sum(char in _HANS_ONLY for char in text)
    if hant != hans:
        return Script.HANT if hant > hans else Script.HANS
    if previous is not None and previous[0] is Language.ZH:
        return previous[1]
    return Script.HANT if re.match(r"(?i)(zh[-_](hant|tw|hk|mo)|yue)", hint) else Script.HANS


def _latin(words: list[str], hint: str, previous: Tongue | None) -> Tongue | None:
    english = sum(word in _EN_WORDS for word in words)
    pinyin = english * 3 <= len(words) and is_pinyin(words)
    foreign = 0 if pinyin else sum(map(is_other, words))
    if len(words) <= 2 and previous is not None:
        letters = len("".join(words))
        if letters <= 5 or (english == 0 and (foreign == 0 or letters <= 8)):
            return previous  # "ok", "haha", "emo", "merci" say nothing about the language
    if foreign > english:
        return None
    if pinyin:
        return Language.ZH, _han_script("", hint, previous)
    if english == 0 and hint and not hint.lower().startswith("en"):
        return None if len(words) > 2 else _from_hint(hint)
    return Language.EN, Script.LATIN


def _from_hint(hint: str) -> Tongue | None:
    if hint.lower().startswith(("zh", "yue")):
        return Language.ZH, _han_script("", hint, None)
    return Language.EN, Script.LATIN
