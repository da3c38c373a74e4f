"""`python -m ledger.cli`: how the service starts its own children."""

from ledger.cli import main

main()
