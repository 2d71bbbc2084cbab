"""The browser of the other pages' tests."""

from tests.web.conftest import browser

__all__ = ["browser"]
