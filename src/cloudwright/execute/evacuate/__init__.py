"""Instances of lost hosts are brought up on those that are left, and a host is let back in."""
