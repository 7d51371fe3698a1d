from rig import receiver, service  # noqa: F401
