"""`python -m app.cli`: how the service starts its own children."""

from app.cli import main

main()
