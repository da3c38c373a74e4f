"""The command line with a receiver that commits every event by itself: what group commit saves."""

from ledger.cli import main
from webhooks import receive

if __name__ == "__main__":
    receive.APPEND_EVENTS = 1
    main()
