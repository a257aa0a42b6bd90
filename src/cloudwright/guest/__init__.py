"""The files of the tiny guest: what runs in it, and how it is started."""
