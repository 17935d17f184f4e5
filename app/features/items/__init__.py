"""The example feature: a user's own rows behind two scopes. Copy this folder for your own.

It has a table (:mod:`app.models.item`), two scopes (in the first migration) and one line in
:mod:`app.main`.
"""
