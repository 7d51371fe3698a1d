"""One example of each answer of the native API, by the name of its schema, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping

_ID = "0190b0a0-1d2c-7c3e-9a51-6f0e2b7a4c11"
_FILE = "file-0190b0a0-0c41-7d0e-8f7b-2f5a9b1c3d22"
_KEY = "key-0190b09f-5a10-7b6e-9d2c-4e8f1a2b3c33"
_WEBHOOK = "wh_0190b0a02b3c7a1d8e4f5a6b7c8d9e44"
_DELIVERY = "msg_0190b0a13c4d7b2e9f5a6b7c8d9e0f55"
_CREATED, _STARTED, _ENDED = "2026-11-20T09:30:00Z", "2026-11-20T09:30:00.120Z", "2026-11-20T09:30:12Z"
_EXPIRES = "2026-11-21T09:30:12Z"
_HERE = f"https://example.com/v1/generations/{_ID}"
_SIGNED = "?expires=1763722800&signature=5f2c"
_HASH = "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab"

_GENERATION: Mapping[str, object] = {
    "id": _ID,
    "object": "generation",
    "status": "succeeded",
    "mode": "t2v",
    "engine": "nano",
    "seed": 7,
    "request": {
        "prompt": 'A baker lifts a loaf and says: "Fresh and warm!"',
        "duration": 5,
        "engine": "nano",
    },
    "metadata": {"campaign": "spring"},
    "progress": {
        "stage": "finish",
        "step": 1,
        "num_steps": 1,
        "percent": 100.0,
        "eta_s": 0.0,
        "preview_url": None,
    },
    "price_usd": 0.91,
    "cost_usd": 0.91,
    "output": {
        "url": f"{_HERE}/content{_SIGNED}",
        "thumbnail_url": f"{_HERE}/thumbnail{_SIGNED}",
        "last_frame_url": f"{_HERE}/frames/last{_SIGNED}",
        "width": 1280,
        "height": 720,
        "base_width": 224,
        "base_height": 128,
        "duration_s": 5.0,
        "fps": 25,
        "num_frames": 125,
        "seed": 7,
        "size_bytes": 1_204_112,
        "sha256": _HASH,
        "sound": "make",
        "engine": "nano",
        "weights_id": "nano-v4",
        "weights_hash": _HASH,
        "notes": [],
    },
    "error": None,
    "notes": [],
    "retry_of": None,
    "priority": 0,
    "webhook_url": None,
    "created_at": _CREATED,
    "started_at": _STARTED,
    "finished_at": _ENDED,
    "expires_at": _EXPIRES,
}
_UPLOAD: Mapping[str, object] = {
    "id": _FILE,
    "object": "file",
    "name": "boat.jpg",
    "sha256": _HASH,
    "kind": "image",
    "format": "jpeg",
    "size_bytes": 482_113,
    "width": 1920,
    "height": 1080,
    "duration_s": 0.0,
    "created_at": _CREATED,
    "expires_at": _EXPIRES,
}
_ADDRESS: Mapping[str, object] = {
    "id": _WEBHOOK,
    "object": "webhook",
    "url": "https://example.com/hooks/happyhorse",
    "events": ["succeeded", "failed", "canceled"],
    "created_at": _CREATED,
    "previous_secret_until": None,
}
_TOLD: Mapping[str, object] = {
    "id": _DELIVERY,
    "object": "webhook_delivery",
    "type": "generation.succeeded",
    "generation": _ID,
    "webhook": _WEBHOOK,
    "url": "https://example.com/hooks/happyhorse",
    "state": "delivered",
    "tries": 1,
    "due_at": None,
    "created_at": _ENDED,
    "ended_at": _ENDED,
}
_LIMITED: Mapping[str, object] = {
    "id": _KEY,
    "object": "key",
    "name": "ci",
    "prefix": "hh_Zk3vQ",
    "scopes": ["generate", "read"],
    "requests_per_minute": 60,
    "spend_limit_usd": None,
    "daily_spend_limit_usd": 25.0,
    "concurrent_jobs": 4,
    "created_at": _CREATED,
    "revoked_at": None,
}
_CHARGED = {
    "day": "2026-11-20",
    "key": _KEY,
    "engine": "nano",
    "resolution": "720P",
    "generations": 2,
    "seconds": 10.0,
    "usd": 1.82,
}
_ENGINE: Mapping[str, object] = {
    "id": "nano",
    "object": "model",
    "owned_by": "happyhorse",
    "modes": ["t2v"],
    "languages": ["de", "en", "fr", "ja", "ko", "yue", "zh"],
    "resolutions": ["480P", "720P", "1080P"],
    "max_duration_s": 15,
    "max_references": 9,
    "price_usd_per_second": {"480P": 0.091, "720P": 0.182, "1080P": 0.312},
    "weights_id": "nano-v4",
    "live": True,
    "default": True,
}

EXAMPLES: Mapping[str, Mapping[str, object]] = {
    "Generation": _GENERATION,
    "GenerationPage": {"object": "list", "data": [_GENERATION], "next_cursor": None},
    "PlanView": {
        "object": "plan",
        "plan": {"engine": "nano", "mode": "t2v", "width": 1280, "height": 720, "num_frames": 125, "seed": 7},
        "price_usd": 0.91,
        "digest": _HASH,
    },
    "FileView": _UPLOAD,
    "FilePage": {"object": "list", "data": [_UPLOAD], "next_cursor": None},
    "WebhookView": _ADDRESS,
    "NewWebhookView": {**_ADDRESS, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    "DeliveryView": _TOLD,
    "DeliveryPage": {"object": "list", "data": [_TOLD], "next_cursor": None},
    "DeliveryLog": {
        **_TOLD,
        "log": [{"at": _ENDED, "seconds": 0.084, "status": 204, "error": None}],
        "body": "{}",
    },
    "KeyView": _LIMITED,
    "NewKeyView": {**_LIMITED, "secret": "hh_Zk3vQ..."},
    "KeyLimits": {"requests_per_minute": 120, "daily_spend_limit_usd": None},
    "Usage": {
        "object": "usage",
        "since": "2026-11-20T00:00:00Z",
        "until": _ENDED,
        "data": [_CHARGED],
        "total_seconds": 10.0,
        "total_usd": 1.82,
    },
    "Models": {"object": "list", "data": [_ENGINE]},
    "Problem": {
        "type": "urn:happyhorse:error:invalid_request",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "duration must be a whole number of seconds from 3 to 15; got 16",
        "code": "invalid_request",
        "field": "duration",
        "retryable": False,
    },
}
