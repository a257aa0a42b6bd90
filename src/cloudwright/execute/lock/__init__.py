"""The lock of a cloud: kept on its own hosts, so that two operators never change it at once.

`holder` who has it, `decide` who wins (pure), `ledger` what stands on each host, `changing` the
lock held around a change, or only a note of one that must work without; `recorded` the record.
"""
