"""What is read from projections and the log: lists, histories, audit search, maintenance."""
