"""Squares of the world's pictures: the same again for a seed, around a face where asked."""

import numpy as np

from happyhorse.training.squares import NUM_FRAMES, SIDE, Pictures, cut, make_squares


def test_a_seed_gives_the_same_two_squares_again():
    squares = list(make_squares(range(1, 4)))
    again = list(make_squares(range(2, 3)))
    assert len(squares) == 6
    for one, other in zip(squares[2:4], again, strict=True):
        assert np.array_equal(one.frames, other.frames)
        assert one.face == other.face
    assert {square.frames.shape for square in squares} == {(NUM_FRAMES, SIDE, SIDE, 3)}


def test_a_square_around_the_face_holds_its_middle():
    frames = np.zeros((NUM_FRAMES, 256, 448, 3), np.uint8)
    frames[:, 100:180, 200:260] = 255
    pictures = Pictures(frames, (200, 100, 260, 180))
    for seed in range(20):
        square = cut(pictures, np.random.default_rng(seed), around_face=True)
        left, top, right, bottom = square.face
        assert 0 <= (left + right) // 2 < SIDE
        assert 0 <= (top + bottom) // 2 < SIDE
        box = square.frames[0, max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
        assert (box == 255).all()
        assert (square.frames[0] == 255).sum() == box.size
