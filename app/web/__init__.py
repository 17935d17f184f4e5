"""HTTP beneath every surface: the protocol class, limits, headers, forms, error answers."""
