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
}


def foreign_scenes(language: str) -> Iterator[Scene]:
    """Yield one held-out scene for each of the language's sentences, its person saying it."""
    for number, sentence in enumerate(SENTENCES[language]):
        scene = speaking(sample_scene(FIRST_SEED + number), language, seconds=5)
        yield replace(scene, line=sentence)
