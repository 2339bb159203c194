"""Mapped below."""
