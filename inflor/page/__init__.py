"""The HTML pages: what `inflor report` and `inflor compare` show, gathered as plain data and written as one file."""
