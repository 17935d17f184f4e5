"""Pages for people: HTML that needs no JavaScript, and nothing from another host."""
