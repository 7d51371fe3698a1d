"""An instrument is taught once; one that knows another world's sounds is taught anew."""

from safetensors.torch import load_file, save_file

from happyhorse.cli.evaluation import _kept
from happyhorse.eval.phonemes import Recogniser


def test_an_ear_is_kept_until_its_sounds_are_others(tmp_path, capsys):
    path, taught = tmp_path / "ear.safetensors", []

    def teach():
        taught.append(1)
        return Recogniser()

    first = _kept(Recogniser, path, teach)
    again = _kept(Recogniser, path, teach)
    assert len(taught) == 1
    assert all((a == b).all() for a, b in zip(first.parameters(), again.parameters(), strict=True))
    kept = load_file(path)
    save_file({name: tensor[:-1].clone() if tensor.ndim else tensor for name, tensor in kept.items()}, path)
    _kept(Recogniser, path, teach)
    assert len(taught) == 2
    assert "taught anew" in capsys.readouterr().err
    _kept(Recogniser, path, teach)
    assert len(taught) == 2
