# ruff: noqa: RUF001 - signs of other scripts are meant
"""Sentences in the world's other languages that nobody there ever says: what a shop, a guide or a friend would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from happyhorse.eval.nano import FIRST_SEED
from happyhorse.world.scene import Scene, sample_scene
from happyhorse.world.tongues import speaking

SENTENCES: Mapping[str, tuple[str, ...]] = {
    "de": (
        "Dieses Waschblatt hat meinen Alltag verändert.",
        "Unser Sommerschlussverkauf beginnt schon nächste Woche.",
        "Probieren Sie die Creme, Ihre Haut wird es merken.",
        "Mit dieser App lernst du täglich zehn Minuten Spanisch.",
        "Im Museum finden Sie Bilder aus dem Mittelalter.",
        "Oma backt Pflaumenkuchen nach ihrem eigenen Rezept.",
    ),
    "fr": (
        "Cette feuille de lessive a changé ma routine.",
        "Nos soldes commencent la semaine prochaine.",
        "Essayez la crème, votre peau vous remerciera.",
        "Avec cette application, on apprend l'espagnol en jouant.",
        "Au musée, vous verrez des tableaux du Moyen Âge.",
        "Ma grand-mère prépare la tarte aux prunes du dimanche.",
    ),
    "ja": (
        "このせんざいで まいにちが らくに なりました。",
        "らいしゅうから なつの セールが はじまります。",
        "このクリームを ぜひ ためして ください。",
        "アプリで スペインごを べんきょう しています。",
        "びじゅつかんに ゆうめいな えが あります。",
        "おばあさんの うめぼしは さいこう です。",
    ),
    "ko": (
        "이 세탁 시트가 제 일상을 편하게 했어요.",
        "다음 주부터 여름 할인이 시작됩니다.",
        "이 크림을 꼭 한번 발라 보세요.",
        "앱으로 하루에 십 분씩 영어를 배워요.",
        "미술관에는 유명한 그림이 많습니다.",
        "할머니의 김치찌개는 최고입니다.",
    ),
    "zh": (
        "这款洗衣片改变了我的生活。",
        "我们的夏季大减价下周开始。",
        "试试这款面霜，皮肤会感谢你。",
        "用这个软件每天学十分钟英语。",
        "博物馆里有很多著名的画。",
        "奶奶包的饺子最好吃。",
    ),
    "yue": (
        "呢塊洗衣紙改變咗我嘅生活。",
        "我哋嘅夏季減價下個禮拜開始。",
        "試吓呢支面霜，皮膚會多謝你。",
        "用呢個程式每日學十分鐘英文。",
        "博物館入面有好多出名嘅畫。",
        "婆婆包嘅雲吞最好味。",
    ),
}


def foreign_scenes(language: str) -> Iterator[Scene]:
    """Yield one held-out scene for each of the language's sentences, its person saying it."""
    for number, sentence in enumerate(SENTENCES[language]):
        scene = speaking(sample_scene(FIRST_SEED + number), language, seconds=5)
        yield replace(scene, line=sentence)
