"""The application: the ASGI app, processes and their jobs, the command line, the demo."""
