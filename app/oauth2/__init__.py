"""The protocol: RFC 6749 and its company, a module for each part."""
