"""What is asked about. Knows its form; knows nothing of models and requests."""

from __future__ import annotations

Payload = str | bytes
"""A text, or the bytes of a file with a picture or a clip."""
TEXT = "text"
"""The name of the modality whose payloads are texts."""
