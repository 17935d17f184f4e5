"""The documents as a site: the Markdown of the repository, with a reference made from the code.

``python -m scripts.documents FOLDER`` writes what MkDocs then renders: see ``mkdocs.yml``.
"""
