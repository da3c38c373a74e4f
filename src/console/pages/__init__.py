"""The pages: one module a page or a list and its ones, each with its `routes`."""
