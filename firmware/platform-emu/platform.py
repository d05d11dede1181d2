"""PlatformIO asks for a class named after the platform; it needs nothing beyond the base."""

from platformio.platform.base import PlatformBase


class WatchwordemuPlatform(PlatformBase):
    """Boards that QEMU emulates."""
