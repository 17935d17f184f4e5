"""The languages of pages and mails: a catalogue for each but English, which the code itself has.

    reader.py       who reads, and which language is best for them
    catalogues.py   what a sentence is in that language, and how a time is written
    *.po            the catalogues, in gettext's format; a new one is a new language

``make messages`` brings the catalogues up to date with the code and the templates.
"""
