"""Holds the import table of the package and checks it on the source; then imports each light context with the heavy ones blocked."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import happyhorse

ROOT = Path(happyhorse.__file__).parent

# Modules that any context after them in this list may import; each may import only those before it.
GROUND = (
    "errors",
    "settings",
    "shapes",
    "bounce",
    "request",
    "prompt.lexicon",
    "prompt.words",
    "language",
    "speech",
    "prompt.types",
    "prompt.tokens",
    "prompt.lines",
    "prompt.grammar",
    "prompt.grammar_cjk",
    "prompt.sentences",
    "prompt.clauses",
    "prompt.parts",
    "prompt.findings",
    "prompt.gloss",
    "prompt.known",
    "prompt.read",
)

# context -> what of happyhorse it may import besides itself. A name covers what lies below it.
MAY_IMPORT = {
    "": ("engines.plan", "errors", "prompt.read", "request"),
    **{name: GROUND[:index] for index, name in enumerate(GROUND)},
    "speech.espeak_helper": (),
    "prompt": (),
    "prompt.view": ("request", "prompt"),
    "world": ("errors", "shapes", "bounce", "speech"),
    "media": ("errors", "shapes"),
    "contact": ("errors", "shapes", "media"),
    "model": ("errors", "shapes"),
    "engines": ("errors", "shapes", "request", "speech", "language", "prompt", "model.config"),
    "engines.run": ("errors", "shapes", "request", "engines", "media"),
    "engines.testcard": ("errors", "shapes", "request", "speech", "language", "prompt", "engines", "media"),
    "engines.hosted": ("errors", "shapes", "request", "engines", "media"),
    "engines.magihuman": ("errors", "shapes", "request", "engines", "media", "model"),
    "engines.magihuman_load": ("errors", "engines", "hub", "model"),
    "engines.magihuman_arrange": ("errors", "engines", "hub", "model"),
    "engines.magihuman_stored": ("errors", "engines", "hub", "model"),
    "engines.local": (
        "errors",
        "shapes",
        "bounce",
        "request",
        "speech",
        "language",
        "prompt",
        "engines",
        "media",
        "model",
    ),
    "engines.local_notes": ("prompt", "engines", "model.complete"),
    "provenance": ("errors", "shapes", "request", "media", "engines.plan"),
    "hub": ("errors",),
    "db": ("errors", "settings", "shapes", "request", "media"),
    "migrations": ("db",),
    "jobs": (
        "errors",
        "settings",
        "shapes",
        "request",
        "media",
        "db",
        "engines.base",
        "engines.plan",
        "engines.take",
    ),
    "api": ("errors", "settings", "shapes", "request", "db", "jobs", "workflow", "eval.arena", "prompt"),
    "bench": ("errors", "settings", "db", "jobs", "api"),
    "bench.clip": ("engines", "media", "model.pixels"),
    "bench.magihuman": ("errors", "request", "engines", "model"),
    "client": ("errors", "request", "client_flows"),
    "client_flows": ("errors", "request"),
    "eval": ("errors", "shapes", "media", "world", "model", "engines.base"),
    "training": ("errors", "shapes", "media", "speech", "world", "model"),
    "cli.lab": ("errors", "shapes", "media", "model", "training", "world", "cli.files"),
    "__main__": ("cli",),
    "cli": tuple(
        sorted({path.relative_to(ROOT).parts[0].removesuffix(".py") for path in ROOT.rglob("*.py")})
    ),
}

TORCH = ("torch", "torchvision", "torchaudio", "diffusers", "transformers")
# context -> what must not be loaded by importing it
LIGHT = {
    "happyhorse": (*TORCH, "pydantic", "numpy", "av", "PIL", "typer", "rich"),
    "happyhorse.cli.app": (*TORCH, "pydantic", "numpy", "av", "PIL", "fastapi"),
    "happyhorse.request": (*TORCH, "numpy", "av", "fastapi"),
    "happyhorse.prompt.read": (*TORCH, "numpy", "av", "fastapi"),
    "happyhorse.speech.speaker": (*TORCH, "av", "fastapi"),
    "happyhorse.media.read": (*TORCH, "pydantic"),
    "happyhorse.engines.plan": (*TORCH, "av", "PIL"),
    "happyhorse.engines.testcard": TORCH,
    "happyhorse.engines.hosted": TORCH,
    "happyhorse.hub.adopt": (*TORCH, "huggingface_hub"),
    "happyhorse.hub.pull": TORCH,
    "happyhorse.provenance.sign": (*TORCH, "fastapi", "c2pa", "cryptography"),
    "happyhorse.db": (*TORCH, "fastapi", "av", "dbos", "alembic"),
    "happyhorse.jobs.worker": (*TORCH, "fastapi", "uvicorn"),
    "happyhorse.api.server": (*TORCH, "mcp"),
    "happyhorse.client": (*TORCH, "numpy", "av", "PIL", "fastapi", "sqlalchemy", "dbos"),
}


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").rstrip(".")


def context_of(module):
    parts = module.split(".")
    candidates = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((name for name in candidates if name in MAY_IMPORT), None)


def imports(path):
    """Names below happyhorse that a file imports, those inside functions and TYPE_CHECKING blocks too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (
                alias.name.removeprefix("happyhorse.")
                for alias in node.names
                if alias.name.startswith("happyhorse.")
            )
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "happyhorse":
            below = (node.module or "").removeprefix("happyhorse").lstrip(".")
            for alias in node.names:
                deeper = f"{below}.{alias.name}".lstrip(".")
                yield deeper if is_module(deeper) else below


def is_module(name):
    place = ROOT.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").exists()


SOURCES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: module_name(path) or "__init__")
def test_a_module_imports_only_what_the_table_allows(path):
    module = module_name(path)
    context = "" if module == "" else context_of(module)
    assert context is not None, f"{module} belongs to no context of the table"
    own = context.split(".")[0]
    allowed = MAY_IMPORT[context]
    for name in imports(path):
        inside = own and own == name.split(".")[0] and context == own and name not in MAY_IMPORT
        listed = any(name == entry or name.startswith(f"{entry}.") for entry in allowed)
        assert inside or listed, f"{module} ({context or 'happyhorse'}) may not import {name}"


def test_init_files_of_sub_packages_are_empty():
    assert [
        str(path) for path in ROOT.rglob("*/__init__.py") if path.read_text(encoding="utf-8").strip()
    ] == []


def test_only_settings_reads_the_environment():
    readers = [module_name(path) for path in SOURCES if "os.environ" in path.read_text(encoding="utf-8")]
    assert readers == ["settings"]


BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {heavy!r}:
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Block())
import {name}
"""


@pytest.mark.parametrize("name", LIGHT)
def test_a_light_context_loads_with_the_heavy_libraries_blocked(name):
    code = BLOCK.format(heavy=LIGHT[name], name=name)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_public_names_are_all_there():
    assert [name for name in happyhorse.__all__ if getattr(happyhorse, name, None) is None] == []
    assert happyhorse.__version__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = happyhorse.nothing
