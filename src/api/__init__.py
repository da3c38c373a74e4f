"""HTTP: operations and their schemas, who may call them, and the endpoints of commands."""
