"""One module per command, each with a click command named `command`; `inflor._public` lists them."""
