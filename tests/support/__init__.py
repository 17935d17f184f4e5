"""What tests of several folders share: databases, clients, browsers, and who asks what."""
