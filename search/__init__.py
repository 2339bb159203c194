"""Proposes recipes and learns from their scores. Nothing stands here yet."""
