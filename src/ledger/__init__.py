"""The ledger: its write side, and at its top the composition root.

Five packages, imports go downhill only (`make contract` checks it):

    app.asgi, app.cli     the roof: wires everything, may import all
    console                    pages, a client of the HTTP API
    kpi                        asks the read models: figures, snapshots, exports, checks
    projections, webhooks, api.endpoints.orders
                               facts → read models; Stripe → log; the shop's door
    ledger.command_handler            load, evolve, decide, append
    ledger.log                 the one log: append, read, wait
    ledger.domain              the floor: events, facts, deciders, money: pure

`ledger` holds the floor and the roof because the product is called ledger.
"""
