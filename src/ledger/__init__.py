"""The event-sourced ledger itself, on which everything else stands.

    domain              events, facts, deciders, money: pure
    log, recorder       the one log: append, read, wait
    command_handler     load, evolve, decide, append
    tokens, sessions    who may call
    postgres            connections, migrations, the embedded server

It imports no other package of ours (`make contract`; docs/decisions/0038-rooms.md).
"""
