"""The command line with a receiver that commits every event by itself: what group commit saves."""

from app.cli import main
from webhooks.ingest import receive

if __name__ == "__main__":
    receive.APPEND_EVENTS = 1
    main()
