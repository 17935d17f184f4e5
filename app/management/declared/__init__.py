"""What a file can declare: a module for each kind, and :mod:`.kind`, which says what a kind is."""
