from rig import service  # noqa: F401
