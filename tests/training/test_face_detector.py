"""The detector of drawn faces can be taught anew from the world alone."""

import dlib
import numpy as np
import pytest
from PIL import Image

from happyhorse.training.faces import draw_nobody, draw_people, train_faces


def grey(frame):
    return np.asarray(Image.fromarray(frame).convert("L"))


@pytest.mark.slow
def test_a_detector_taught_on_forty_pictures_finds_unseen_people(tmp_path):
    train_faces(tmp_path / "faces.svm", num_pictures=40)
    detector = dlib.fhog_object_detector(str(tmp_path / "faces.svm"))
    for seed in range(930_000, 930_004):
        frame, face = draw_people(seed, width=800, height=448)
        (found,) = detector.run(grey(frame), 0, 0.0)[0]
        assert face.intersect(found).area() > 0.5 * face.area()
        assert not detector.run(grey(draw_nobody(seed, width=800, height=448)), 0, 0.0)[0]
