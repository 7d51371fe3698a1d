# ruff: noqa: RUF001 - letters of other scripts are meant
"""What the world's people say in German, French, Japanese, Korean, Mandarin and Cantonese: beginnings and ends that fit, a wide choice of sounds.

Japanese stands in kana, as the voices read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from happyhorse.world.scene import Scene

Words = tuple[str, ...]


@dataclass(frozen=True)
class Tongue:
    """One language's sentences: an opener now and then, then a whole sentence, or a beginning with one of the ends."""

    syllables_per_second: float
    openers: Words
    wholes: Words
    beginnings: Words
    ends: Words
    comma: str = ", "
    marks: str = ".!"


_GERMAN = Tongue(
    4.2,
    ("Hallo", "Guten Morgen", "Guten Abend", "Ehrlich", "Hör zu", "Weißt du was", "Heute", "Gut", "Schau", "Übrigens", "Danke", "Na ja"),
    (
        "Wie geht es dir?", "Was für ein schöner Tag!", "Das ist großartig.", "Folgen Sie mir bitte.", "Bis morgen früh!", "Ich freue mich sehr.",
        "Hier sind die Nachrichten.", "Schauen Sie genau hin.", "Ich kann es kaum glauben.", "Vielen Dank fürs Zuschauen.", "Wir haben jetzt geöffnet.",
        "Das ändert wirklich alles.", "Es funktioniert jedes Mal.", "Mein Name ist Jürgen.", "Sie heißt Charlotte.", "Zwölf Euro neunundneunzig.",
    ),
    (
        "Ich zeige euch", "Wir kaufen", "Meine Schwester sucht", "Der Nachbar bringt uns", "Die Kinder malen", "Unser Lehrer erklärt", "Morgen öffnen wir",
        "Gestern fand ich", "Der Junge verkauft", "Sie brauchen nur", "Niemand kennt", "Jeder möchte", "Die Köchin probiert", "Heute Nacht hören wir",
        "Im Frühling pflanzt er", "Vielleicht vergisst du", "Plötzlich sehe ich", "Am Freitag baut ihr",
    ),
    (
        "ein schönes Geschenk", "den alten Schlüssel", "die ganze Geschichte", "etwas völlig Neues", "das blaue Fahrrad", "drei grüne Äpfel", "frisches Brot",
        "eine ruhige Straße", "das Buch über Vögel", "zwei Paar Handschuhe", "einen heißen Kaffee", "meine Lieblingsschuhe", "die höchste Brücke",
        "das Haus am Fluss", "eine gute Idee", "fünfzig Blumen", "den letzten Zug nach Köln", "nichts Besonderes", "ein Stück Käsekuchen", "das junge Pferd",
    ),
)  # fmt: skip
_FRENCH = Tongue(
    4.8,
    ("Bonjour", "Bonsoir", "Franchement", "Écoute", "Tu sais quoi", "Aujourd'hui", "Alors", "Regarde", "Au fait", "Merci", "Bon", "Vraiment"),
    (
        "Comment ça va?", "Quelle belle journée!", "C'est incroyable.", "Suivez-moi, s'il vous plaît.", "À demain matin!", "Je suis très heureux.",
        "Voici les nouvelles.", "Regardez de plus près.", "Je n'y crois pas.", "Merci d'avoir regardé.", "Nous sommes ouverts.", "Ça change tout.",
        "Ça marche à chaque fois.", "Je m'appelle Hugo.", "Elle s'appelle Agnès.", "Douze euros quatre-vingt-dix.",
    ),
    (
        "Je vous montre", "Nous cherchons", "Ma sœur achète", "Le voisin apporte", "Les enfants dessinent", "Notre professeur explique", "Demain on ouvre",
        "Hier j'ai trouvé", "Le garçon vend", "Il vous faut", "Personne ne connaît", "Tout le monde veut", "La cuisinière goûte", "Ce soir on écoute",
        "Au printemps il plante", "Peut-être oublies-tu", "Soudain je vois", "Vendredi vous construisez",
    ),
    (
        "un joli cadeau", "la vieille clé", "toute l'histoire", "quelque chose de nouveau", "le vélo bleu", "trois pommes vertes", "du pain frais",
        "une rue tranquille", "le livre sur les oiseaux", "deux paires de gants", "un café bien chaud", "mes chaussures jaunes", "le pont le plus haut",
        "la maison au bord de l'eau", "une bonne idée", "cinquante fleurs", "le dernier train pour Lyon", "rien de spécial", "un morceau de gâteau", "le jeune cheval",
    ),
)  # fmt: skip
_JAPANESE = Tongue(
    6.0,
    ("こんにちは", "おはようございます", "こんばんは", "じつは", "ねえ", "さて", "ところで", "ありがとう", "ほら", "やっぱり", "きょうは", "まいにち"),
    (
        "おげんきですか。", "とてもいいてんきですね。", "これはすごいです。", "どうぞ こちらへ。", "また あした。", "ほんとうに うれしいです。", "ニュースを おつたえします。",
        "よく みてください。", "しんじられません。", "ごらんいただき ありがとうございます。", "いま あいています。", "これで ぜんぶ かわりました。", "まいかい うまくいきます。",
        "わたしは ゆうきです。", "かのじょは さくらです。", "せんにひゃくえんです。",
    ),
    (
        "きょうは あたらしい", "あしたは ちいさな", "きのう ふるい", "あねは あおい", "こどもたちは おおきな", "せんせいは めずらしい", "となりのひとは おいしい",
        "ぼくは きれいな", "みんなは すてきな", "りょこうで ふしぎな", "えきで しろい", "にわで あまい", "かぞくと べつの", "ゆうべ すごい",
    ),
    (
        "くるまを みつけました", "ほんを よみました", "パンを かいました", "うたを うたいます", "はなを うえましょう", "いえを つくりたいです", "ねこに あいました",
        "りんごを たべます", "はしを わたりました", "てがみを かきます", "じてんしゃを えらびました", "ケーキを つくります", "くつを わすれました", "しゃしんを とりました",
        "ぎゅうにゅうを のみます", "ひこうきを みました", "ドアを あけてください", "チケットを もらいました",
    ),
    comma="、",
    marks="。！",
)  # fmt: skip
_KOREAN = Tongue(
    4.6,
    ("안녕하세요", "좋은 아침이에요", "솔직히", "있잖아요", "오늘", "그런데", "고마워요", "보세요", "사실은", "매일", "자", "정말"),
    (
        "어떻게 지내세요?", "날씨가 정말 좋네요.", "이거 대단해요.", "저를 따라오세요.", "내일 만나요!", "너무 기뻐요.", "뉴스를 전해 드립니다.", "자세히 보세요.",
        "믿을 수가 없어요.", "봐 주셔서 감사합니다.", "지금 열려 있어요.", "모든 것이 바뀌었어요.", "언제나 잘 됩니다.", "제 이름은 민수예요.", "그녀는 지혜예요.", "만 이천 원이에요.",
    ),
    (
        "오늘은 새로운", "내일은 작은", "어제 오래된", "언니가 파란", "아이들이 커다란", "선생님이 특별한", "이웃이 맛있는", "저는 예쁜", "모두가 멋진", "여행에서 이상한",
        "역에서 하얀", "마당에서 달콤한", "가족과 다른", "친구가 빨간",
    ),
    (
        "차를 찾았어요", "책을 읽었어요", "빵을 샀어요", "노래를 불러요", "꽃을 심어요", "집을 짓고 싶어요", "고양이를 만났어요", "사과를 먹어요", "다리를 건넜어요",
        "편지를 써요", "자전거를 골랐어요", "케이크를 만들어요", "신발을 잃어버렸어요", "사진을 찍었어요", "우유를 마셔요", "비행기를 봤어요", "문을 열어 주세요", "표를 받았어요",
    ),
)  # fmt: skip
_MANDARIN = Tongue(
    4.0,
    ("你好", "早上好", "晚上好", "说真的", "听我说", "你知道吗", "今天", "好吧", "你看", "对了", "谢谢", "其实"),
    (
        "你最近怎么样？", "今天天气真好。", "这太棒了。", "请跟我来。", "明天早上见！", "我非常高兴。", "下面是今天的新闻。", "请仔细看这里。", "我简直不敢相信。",
        "感谢您的收看。", "我们现在开门了。", "这改变了一切。", "每次都很有效。", "我的名字叫小龙。", "她叫王雪。", "一共十二块九毛。",
    ),
    (
        "我给大家看", "我们想买", "我姐姐在找", "邻居送来了", "孩子们喜欢画", "老师正在讲", "明天我们打开", "昨天我发现了", "那个男孩卖", "你只需要", "没有人知道",
        "每个人都想要", "厨师尝了尝", "今晚我们听", "春天他种下", "也许你忘了", "突然我看见", "星期五你们修",
    ),
    (
        "一份漂亮的礼物", "那把旧钥匙", "整个故事", "一些全新的东西", "蓝色的自行车", "三个绿苹果", "新鲜的面包", "一条安静的街", "关于鸟的书", "两双手套", "一杯热咖啡",
        "我最爱的鞋子", "最高的大桥", "河边的房子", "一个好主意", "五十朵红花", "去北京的火车", "特别的味道", "一块奶酪蛋糕", "那匹小马",
    ),
    comma="，",
    marks="。！",
)  # fmt: skip
_CANTONESE = Tongue(
    4.0,
    ("你好", "早晨", "晚安", "講真", "聽我講", "你知唔知", "今日", "好啦", "你睇", "係呢", "多謝", "其實"),
    (
        "你最近點呀？", "今日天氣真係好。", "呢個好犀利。", "請跟我嚟。", "聽日早上見！", "我好開心。", "以下係今日新聞。", "請你睇清楚。", "我真係唔信。", "多謝大家收睇。",
        "我哋而家開門。", "呢樣改變晒一切。", "次次都得㗎。", "我個名叫阿明。", "佢叫做美玲。", "總共十二個九毫。",
    ),
    (
        "我俾大家睇", "我哋想買", "我家姐搵緊", "隔離屋送咗", "細路仔鍾意畫", "老師講緊", "聽日我哋打開", "尋日我搵到", "嗰個男仔賣", "你只需要", "冇人知道", "個個都想要",
        "廚師試吓", "今晚我哋聽", "春天佢種咗", "可能你唔記得", "突然間我見到", "星期五你哋整",
    ),
    (
        "一份靚禮物", "嗰條舊鎖匙", "成個故事", "全新嘅嘢", "藍色嘅單車", "三個青蘋果", "新鮮麵包", "一條靜嘅街", "講雀仔嘅書", "兩對手套", "一杯熱咖啡", "我最鍾意嘅鞋",
        "最高嘅橋", "河邊間屋", "一個好主意", "五十朵紅花", "去九龍嘅火車", "特別嘅味道", "一件芝士蛋糕", "嗰隻馬仔",
    ),
    comma="，",
    marks="。！",
)  # fmt: skip
TONGUES: Mapping[str, Tongue] = {
    "de": _GERMAN,
    "fr": _FRENCH,
    "ja": _JAPANESE,
    "ko": _KOREAN,
    "zh": _MANDARIN,
    "yue": _CANTONESE,
}


def foreign_line(rng: np.random.Generator, language: str, *, seconds: float) -> str:
    """Return one to three sentences of a language of TONGUES that a calm voice can say within `seconds`."""
    tongue = TONGUES[language]
    budget = seconds * tongue.syllables_per_second
    line = ""
    for _ in range(8):
        longer = f"{line} {_sentence(rng, tongue)}".strip()
        if _syllables(longer, language) <= budget:
            line = longer
        if line and rng.random() < 0.35:
            break
    return line or min(tongue.wholes, key=lambda whole: _syllables(whole, language))


def speaking(scene: Scene, language: str, *, seconds: float) -> Scene:
    """Return the same scene, its person speaking another language in a voice of it."""
    rng = np.random.default_rng((scene.seed, 61))
    gender = "female" if scene.person.gender == "woman" else "male"
    person = replace(scene.person, voice=f"{language}-{gender}")
    return replace(scene, person=person, line=foreign_line(rng, language, seconds=seconds))


def _sentence(rng: np.random.Generator, tongue: Tongue) -> str:
    if rng.random() < 0.3:
        text = _pick(rng, tongue.wholes)
    else:
        mark = tongue.marks[int(rng.random() < 0.3)]
        text = f"{_pick(rng, tongue.beginnings)} {_pick(rng, tongue.ends)}{mark}"
    if rng.random() < 0.3:
        return f"{_pick(rng, tongue.openers)}{tongue.comma}{text[0].lower()}{text[1:]}"
    return text


def _syllables(text: str, language: str) -> int:
    if language in ("ja", "ko", "zh", "yue"):
        return sum(char.isalpha() for char in text)
    vowels = "aeiouyäöüéèêàâîôûœ"
    lower = f" {text.lower()}"
    return sum(lower[i] in vowels and lower[i - 1] not in vowels for i in range(1, len(lower)))


def _pick(rng: np.random.Generator, words: Words) -> str:
    return words[int(rng.integers(len(words)))]
