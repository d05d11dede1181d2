"""Only here because setuptools takes cffi modules from setup() and not from pyproject.toml."""

from setuptools import setup

setup(cffi_modules=["host/watchword/core_build.py:ffibuilder"])
