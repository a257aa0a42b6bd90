#!/bin/sh
# Packages install their services; a container starts the one that it is for.
exit 101
