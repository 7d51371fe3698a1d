import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from happyhorse.errors import WeightsMissing
from happyhorse.model.audio_vae import AudioVae, AudioVaeConfig, framed_stft, harmonics
from happyhorse.model.checkpoint import read_metadata
from happyhorse.shapes import SAMPLE_RATE, SAMPLES_PER_AUDIO_LATENT
from happyhorse.training.codec_audio import (
    CLIP_LATENTS,
    WORLD_SHARE,
    crop,
    fit_basis,
    long_distance,
    make_sound,
    periodic_part,
    run,
    short_distance,
    track_pitch,
)

SMALL = AudioVaeConfig(width=32, num_blocks=1)


def _glide(from_hz: float, to_hz: float, *, seconds: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    """A voice-like sum of harmonics, and its true pitch at each hop's centre."""
    hops = np.linspace(from_hz, to_hz, round(seconds * 100), dtype=np.float32)
    tone = harmonics(torch.from_numpy(hops)[None], hop=480, up_to_hz=1500.0)[0].numpy()
    return 0.02 * tone, hops


def load_numbers(path: Path) -> dict[str, float]:
    return json.loads(read_metadata(path)["numbers"])


@pytest.fixture(scope="module")
def vae() -> AudioVae:
    """A codec whose basis knows a few sounds of the world; its decoder is untrained and starts from the log-mel."""
    torch.manual_seed(0)
    vae = AudioVae(SMALL)
    fit_basis(vae.encoder, make_sound, num_sounds=16)
    return vae.eval()


@settings(deadline=None, max_examples=8)
@given(num_latents=st.integers(1, 20), batch=st.integers(1, 3))
def test_latents_and_samples_are_bound_one_to_1920(vae: AudioVae, num_latents: int, batch: int):
    waveform = 0.1 * torch.randn(batch, num_latents * SAMPLES_PER_AUDIO_LATENT)
    latents = vae.encode(waveform)
    assert latents.shape == (batch, num_latents, SMALL.latent_channels)
    with torch.no_grad():
        assert vae.decode(latents).shape == waveform.shape


@pytest.mark.parametrize("num_samples", [0, 1, 1919, 1921])
def test_other_lengths_are_refused(vae: AudioVae, num_samples: int):
    with pytest.raises(ValueError, match="whole number of latents"):
        vae.encode(torch.zeros(1, num_samples))


@pytest.mark.parametrize("hop", [0, 17, 38, 39])
def test_an_impulse_is_heard_in_its_own_hop(vae: AudioVae, hop: int):
    at = 480 * hop + 240
    waveform = torch.zeros(1, 19_200)
    waveform[0, at] = 1.0
    loudness = vae.mel(waveform)[0].mean(1)
    assert loudness.argmax() == hop
    if hop == 17:  # away from the mirrored ends, the window is symmetric around the hop's centre
        assert loudness[hop - 1] == pytest.approx(float(loudness[hop + 1]), abs=0.02)


def test_a_burst_stays_where_it_was(vae: AudioVae):
    waveform = torch.zeros(1, 48_000)
    waveform[0, 24_000:24_960] = 0.3 * torch.randn(960)
    with torch.no_grad():
        energy = vae.decode(vae.encode(waveform))[0].square()
    centre = (energy * torch.arange(48_000)).sum() / energy.sum()
    assert abs(float(centre) - 24_480) < 240


def test_round_trip_of_the_log_mel(vae: AudioVae):
    mel = vae.mel(torch.from_numpy(make_sound(3).waveform)[None])
    error = vae.encoder.mel_of(vae.encoder.latents_of(mel)) - mel
    assert error.square().mean().sqrt() < 0.2 * mel.std()


def test_latents_are_standardised_and_silence_is_ordinary(vae: AudioVae):
    sounds = torch.stack([torch.from_numpy(make_sound(100 + i).waveform) for i in range(6)])
    latents = vae.encode(sounds).flatten(0, 1)
    assert 0.5 < latents.std() < 1.5
    assert latents.abs().max() < 15
    assert vae.encode(torch.zeros(1, 9600)).abs().max() < 10


def test_decoding_is_deterministic_and_bounded(vae: AudioVae):
    latents = 30 * torch.randn(1, 10, SMALL.latent_channels)
    with torch.no_grad():
        first, second = vae.decode(latents), vae.decode(latents)
    assert torch.equal(first, second)
    assert bool(first.isfinite().all())
    assert first.abs().max() <= 1


def test_untouched_spectrum_comes_back_as_the_same_sound(vae: AudioVae):
    decoder = vae.decoder
    assert decoder is not None
    _, hops = _glide(150, 150)
    source = harmonics(torch.from_numpy(hops)[None], hop=480, up_to_hz=6000.0)
    shaped = decoder.shape(source, torch.zeros(1, 2 * len(hops), SMALL.num_bins))
    inside = slice(1000, -1000)  # mirrored, the ends have a corner, and corners have sound above high_hz
    torch.testing.assert_close(shaped[:, inside], source[:, inside], atol=0.02, rtol=0)


def test_harmonics_are_the_plain_sum_of_sines():
    pitch = torch.tensor([[100.0, 100.0, 150.0, 150.0]])
    train = harmonics(pitch, hop=480, up_to_hz=440.0)
    hz = np.interp(np.arange(1920) - 239.5, [0, 480, 960, 1440], pitch[0].numpy())
    phase = 2 * np.pi * np.cumsum(hz) / SAMPLE_RATE
    plain = sum(np.where(n * hz <= 440.0, np.sin(n * phase), 0.0) for n in range(1, 6))
    np.testing.assert_allclose(train[0].numpy(), plain, atol=1e-3)


def test_frames_are_centred_in_their_hops():
    impulse = torch.zeros(1, 4800)
    impulse[0, 240 * 7 + 120] = 1.0
    spectrum = framed_stft(impulse, window=torch.hann_window(1024), hop=240)
    assert spectrum.shape[2] == 20
    assert spectrum[0, 5].abs().argmax() == 7


def test_pitch_of_a_clean_voice_is_found():
    voice, true_hz = _glide(110, 190)
    found_hz, voiced = track_pitch(voice)
    cents = np.abs(1200 * np.log2(found_hz / true_hz))
    assert voiced[3:-3].all()
    assert np.median(cents) < 10
    assert cents[3:-3].max() < 50


def test_noise_is_told_from_a_voice_that_glides():
    voice, _ = _glide(120, 150)
    noise = 0.3 * voice.std() * np.random.default_rng(0).standard_normal(len(voice)).astype(np.float32)
    hops = len(voice) // 480
    pitch_hz, voiced = track_pitch(voice)
    left = voice + noise - periodic_part(voice + noise, pitch_hz, voiced)
    inside = slice(4800, 480 * (hops - 10))
    assert 0.7 < left[inside].std() / noise[inside].std() < 1.3
    assert np.corrcoef(left[inside], noise[inside])[0, 1] > 0.7


def test_noise_seen_through_a_long_window_is_what_the_synthesiser_makes():
    decoder = AudioVae(SMALL).decoder
    assert decoder is not None
    torch.manual_seed(0)
    envelope = torch.linspace(-4, -6, SMALL.num_bins).expand(24, 128, -1)
    sound = decoder.breath(envelope, torch.randn(24, 128 * SMALL.synthesis_hop))
    density = torch.exp(2 * (envelope + decoder.noise_offset)).transpose(1, 2)
    silence = torch.zeros_like(sound)
    for distance, window in ((short_distance, decoder.hann), (long_distance, torch.hann_window(2048))):
        right, louder, softer = (
            float(distance(silence, factor * density, sound, window=window, config=SMALL))
            for factor in (1, 2, 0.5)
        )
        assert right < min(louder, softer)


def test_checkpoint_round_trip_keeps_the_encoder_exactly(vae: AudioVae, tmp_path):
    path = tmp_path / "audio.safetensors"
    vae.save(path)
    again = AudioVae.load(path)
    waveform = 0.1 * torch.randn(1, 9600)
    assert again.config == vae.config
    assert torch.equal(again.encode(waveform), vae.encode(waveform))
    latents = vae.encode(waveform)
    with torch.no_grad():
        torch.testing.assert_close(again.decode(latents), vae.decode(latents), atol=2e-2, rtol=0)


def test_encoder_only_file_encodes_and_says_why_it_cannot_decode(vae: AudioVae, tmp_path):
    alone = AudioVae(SMALL, has_decoder=False)
    alone.encoder = vae.encoder
    alone.save(tmp_path / "encoder.safetensors")
    loaded = AudioVae.load(tmp_path / "encoder.safetensors")
    latents = loaded.encode(torch.zeros(1, 1920))
    with pytest.raises(WeightsMissing, match="no decoder"):
        loaded.decode(latents)


def test_broken_files_are_named(tmp_path):
    with pytest.raises(WeightsMissing, match=r"nowhere\.safetensors"):
        AudioVae.load(tmp_path / "nowhere.safetensors")
    other = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(1)}, other, metadata={"config": json.dumps({})})
    with pytest.raises(WeightsMissing, match="format"):
        AudioVae.load(other)


def test_sounds_depend_on_their_seed_only():
    one, same = make_sound(5), make_sound(5)
    assert np.array_equal(one.waveform, same.waveform)
    assert len(one.waveform) == CLIP_LATENTS * SAMPLES_PER_AUDIO_LATENT
    assert len(one.pitch_hz) == len(one.voiced) == CLIP_LATENTS * SMALL.hops_per_latent
    assert 0 < WORLD_SHARE < 1


def test_crops_keep_sound_and_pitch_together():
    sound = make_sound(5)
    batch = crop([sound], np.random.default_rng(1), config=SMALL)
    start = next(
        i
        for i in range(CLIP_LATENTS)
        if np.array_equal(sound.waveform[1920 * i :][:1920], batch.waveform[0, :1920])
    )
    assert np.array_equal(sound.pitch_hz[4 * start :][: batch.pitch_hz.shape[1]], batch.pitch_hz[0])


def _start_file(folder: Path) -> AudioVae:
    start = AudioVae(AudioVaeConfig(), has_decoder=False)
    fit_basis(start.encoder, make_sound, num_sounds=8)
    start.save(folder / "audio_vae.safetensors")
    return start


@pytest.mark.slow
def test_training_goes_on_where_it_stopped_and_keeps_the_encoder(tmp_path):
    start = _start_file(tmp_path)
    states = []
    for minutes in (0.05, 0.3):
        trained = AudioVae.load(run(out=tmp_path, minutes=minutes, resume=True))
        states.append(load_numbers(tmp_path / "audio_vae.state.safetensors"))
        assert torch.equal(trained.encoder.basis, start.encoder.basis)
    assert [state["minutes"] for state in states] == [0.05, 0.3]
    assert states[1]["step"] > states[0]["step"] > 0


@pytest.mark.slow
def test_a_killed_run_leaves_whole_files_and_goes_on(tmp_path):
    _start_file(tmp_path)
    state = tmp_path / "audio_vae.state.safetensors"
    code = (
        "import pathlib, sys; from happyhorse.training import codec_audio\n"
        "if __name__ == '__main__':\n"
        "    codec_audio.SAVE_EVERY_S = 0.0\n"
        "    codec_audio.run(out=pathlib.Path(sys.argv[1]), minutes=10.0, resume=True)\n"
    )
    script = tmp_path / "train.py"
    script.write_text(code)
    with subprocess.Popen([sys.executable, str(script), str(tmp_path)]) as training:
        deadline = time.monotonic() + 120
        while not state.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1.0)
        training.kill()
    before = load_numbers(state)
    assert before["step"] > 0
    AudioVae.load(run(out=tmp_path, minutes=before["minutes"] + 0.2, resume=True))
    assert load_numbers(state)["step"] > before["step"]
