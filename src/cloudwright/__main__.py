"""`python -m cloudwright` is the `cloudwright` command."""

from cloudwright.cli.main import main

main()
