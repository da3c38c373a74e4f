"""The figures: one module a family, each with a `family`, and a `.sql` file a distinct count."""
