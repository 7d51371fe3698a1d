"""The table of an evaluation as lines of text: what was measured, beside chance, floors and the instrument's own error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from happyhorse.eval.codec import CodecQuality
from happyhorse.eval.edits import error_rate
from happyhorse.eval.first_frame import Start
from happyhorse.eval.impacts import Ball, BallReading
from happyhorse.eval.nano import MAX_INSTRUMENT_ERROR, MAX_LAG_ERROR, Row, Table
from happyhorse.eval.speech import SpeechQuality, confusions
from happyhorse.eval.swap import Swap
from happyhorse.world.scene import BALL_COLOURS


def lines(
    table: Table,
    codec: CodecQuality,
    *,
    swaps: Sequence[Swap] = (),
    starts: Sequence[Start] = (),
    balls: Sequence[Ball] = (),
    speech: Mapping[str, SpeechQuality] = MappingProxyType({}),
) -> Iterator[str]:
    """Yield the rows; those of swaps, first frames, balls and speech, by language, only where there are any."""
    for row in table.rows:
        yield _row_line(row)
    world = float(np.mean([item.correlation for item in table.world_lips]))
    yield (
        f"lips           nano {table.mean_correlation:+.2f}, {table.in_time:.0%} within {MAX_LAG_ERROR} frames; "
        f"the world {world:+.2f}; instrument {table.mouth_instrument:.2f}{_void(table.lips_void)}"
    )
    yield f"edges at 720P  nano {table.edges:.2f}, codec {codec.edges:.2f}; the world 1"
    yield f"stepping       nano {table.stepping:.2f} times the change from latent to latent as within one; the world 1"
    yield (
        f"codec          scenes {codec.scenes_db:.1f} dB, faces {codec.faces_db:.1f} dB, leaves {codec.leaves_db:.1f} dB"
    )
    if swaps:
        yield f"colour swap    {np.mean([swap.right for swap in swaps]):4.0%} of {len(swaps)} pairs right"
    if starts:
        within = table.share_in_time([start.lips for start in starts])
        yield (
            f"first frame    {np.mean([start.psnr_db for start in starts]):.1f} dB, "
            f"jump {np.mean([start.jump for start in starts]):.1f} x the next; lips {within:.0%} within {MAX_LAG_ERROR} frames"
        )
    if balls:
        yield from _ball_lines(balls)
    for language, quality in speech.items():
        yield from _speech_lines(language, quality)


def _ball_lines(balls: Sequence[Ball]) -> Iterator[str]:
    nano, world = (float(np.mean([one.impacts.share for one in ones])) for ones in _sides(balls))
    yield (
        f"impacts        nano {nano:4.0%}  instrument {world:4.0%}  heard within 2 frames of where they are seen; "
        f"{len(balls)} clips{_void(world < 1 - MAX_INSTRUMENT_ERROR)}"
    )
    nano, world = (float(np.mean([one.right_colour for one in ones])) for ones in _sides(balls))
    yield _row_line(Row("ball's colour", world, nano, 1 / len(BALL_COLOURS), len(balls)))


def _sides(balls: Sequence[Ball]) -> tuple[list[BallReading], list[BallReading]]:
    return [ball.nano for ball in balls], [ball.world for ball in balls]


def _row_line(row: Row) -> str:
    shares = f"nano {row.nano:4.0%}  instrument {row.instrument:4.0%}  chance {row.chance:4.0%}"
    return f"{row.name:<14} {shares}{_void(row.void)}"


def _speech_lines(language: str, speech: SpeechQuality) -> Iterator[str]:
    yield (
        f"phonemes of {language}: errors nano {error_rate(speech.nano):.0%}, codec {error_rate(speech.codec):.0%}, "
        f"above it {speech.above_codec:.0%}; instrument {speech.instrument:.0%}; "
        f"{speech.num_silent} of {speech.num_silent + len(speech.nano)} clips planned without a line{_void(speech.void)}"
    )
    worst = (
        f"{said or '-'} > {heard or '-'} {times}" for (said, heard), times in confusions(speech.nano, most=8)
    )
    yield f"said > heard   {', '.join(worst)}"


def _void(void: bool) -> str:
    return "  void: the instrument errs too much" if void else ""
