"""Inside the reader process: open, judge and decode images with Pillow."""

from __future__ import annotations

import io
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError, WebPImagePlugin

from happyhorse.media.content import READABLE, UNKNOWN, Answer, Refused, Request, looks_like
from happyhorse.media.faces import count_faces
from happyhorse.media.quality import look, remarks

MAX_IMAGE_PX = 100_000_000
_ORIENTATION = 0x0112  # EXIF
_FORMATS = (
    "JPEG",
    "PNG",
    WebPImagePlugin.WebPImageFile.format,
    "BMP",
    "GIF",
)  # naming it by its class registers it


def open_image(file: BinaryIO, head: bytes) -> Image.Image | None:
    """Return the image with only its header read, or None when it is none of _FORMATS."""
    Image.MAX_IMAGE_PIXELS = None  # judged below, with our own words
    try:
        image = Image.open(file, formats=_FORMATS)
    except OSError as err:
        if not isinstance(err, UnidentifiedImageError) or looks_like(head) in _FORMATS:
            raise Refused(
                f"is truncated or damaged: as a {looks_like(head)} image it cannot be opened"
            ) from err
        return None
    width, height = image.size
    if width * height > MAX_IMAGE_PX:
        raise Refused(
            f"declares {width}x{height} pixels; at most {MAX_IMAGE_PX // 1_000_000} megapixels are allowed"
        )
    return image


def load_image(image: Image.Image) -> None:
    """Decode every pixel, so that a file that stops early is found."""
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError) as err:
        name = "truncated" if "truncat" in str(err) or isinstance(err, EOFError) else "damaged or truncated"
        raise Refused(f"is {name}: not all of its {image.size[0]}x{image.size[1]} pixels are there") from err


def describe_image(image: Image.Image) -> Answer:
    """Needs the pixels loaded: Pillow looks for the orientation of a PNG behind them, and fails where they stop."""
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: a photo with its preview
    width, height = image.size
    if image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8):
        width, height = height, width
    name = "jpeg" if image.format == "MPO" else str(image.format).lower()
    codec = "mjpeg" if name == "jpeg" else name
    return Answer("image", name, codec, width, height, num_frames=int(frames))


def to_rgb(image: Image.Image) -> Image.Image:
    """Bring any colour mode to 8-bit sRGB; what is transparent shows white."""
    if image.mode.startswith("I"):
        grey = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray(((grey * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
    profile = image.info.get("icc_profile")
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        layered = image.convert("RGBA")
        colour = _to_srgb(layered.convert("RGB"), profile)
        white = Image.new("RGB", image.size, "white")
        white.paste(colour, mask=layered.getchannel("A"))
        return white
    return _to_srgb(image, profile)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and image.mode in ("RGB", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(source):
                srgb = ImageCms.createProfile("sRGB")
                converted = ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")
                return converted if converted is not None else image.convert("RGB")
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile is no reason to refuse the picture
    return image.convert("RGB")


def turned(picture: Image.Image, image: Image.Image) -> Image.Image:
    """Set upright a picture made of the image, as the image's own orientation says; a conversion of colours may lose it."""
    picture.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
    return ImageOps.exif_transpose(picture)


def judge_image(image: Image.Image, answer: Answer) -> None:
    """Add to the answer what a still picture looks like, its pixels loaded."""
    grey = look(to_rgb(image))
    answer.remarks = remarks(image, grey)
    faces = count_faces(turned(grey, image))
    answer.faces = UNKNOWN if faces is None else faces


def read_image(file: BinaryIO, head: bytes, request: Request, out: BinaryIO) -> Answer:
    image = open_image(file, head)
    if image is None:
        raise Refused(f"is not an image but {looks_like(head)}; allowed are {READABLE['image']}")
    max_side, crop = request["max_side"], request["crop"]
    if not crop:
        image.draft(None, (max_side, max_side))
    load_image(image)
    answer = describe_image(image)
    if answer.num_frames > 1:
        raise Refused(f"is animated ({answer.num_frames} frames); a still image is needed")
    upright = turned(to_rgb(image), image)
    if crop:
        left, top, width, height = crop
        upright = upright.crop((left, top, left + width, top + height))
    if max(upright.size) > max_side:
        scale = max_side / max(upright.size)
        size = (max(1, round(upright.width * scale)), max(1, round(upright.height * scale)))
        upright = upright.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    out.write(upright.tobytes())
    answer.shape = (upright.height, upright.width, 3)
    return answer
