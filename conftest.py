"""Test support for the repository's own tests."""

pytest_plugins = ["pytester"]
