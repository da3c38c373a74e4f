"""Where the log lives: the embedded server, the database and its roles, the migrations."""
