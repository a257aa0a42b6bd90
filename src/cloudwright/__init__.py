"""Cloudwright builds and keeps a highly available OpenStack cloud in containers."""

__version__ = "0.1.0"
