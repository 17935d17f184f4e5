"""Pages that are made from the code: settings, commands, routes."""
