"""The kinds of files that hold a user's data: each is a module of the suffix's name with one `Source`, `SOURCE`."""
