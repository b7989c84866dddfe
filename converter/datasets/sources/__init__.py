"""The built-in data sets: each is a module of the data set's name with one `Source`, called `SOURCE`."""
