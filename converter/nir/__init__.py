"""NIR files and graphs: read, write, validate, order; metadata; what frameworks mean by a file."""
