"""An API of our own, whose package happens to have the name that most have."""
