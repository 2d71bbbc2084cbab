"""Puts class activation maps into any ONNX image classifier, without torch."""

from __future__ import annotations

from export.head import Head, find_head

__all__ = ["Head", "find_head"]
