"""What a fork adds or deletes, a folder each."""
