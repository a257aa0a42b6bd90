"""Container images: built, kept, exported from and sent to hosts."""
