"""Offline replay of recordings, and its report."""
