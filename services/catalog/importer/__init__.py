"""The import client: reads catalog files, sends them to a catalog, and can go on where it stopped.

`python -m services.catalog.importer FILE... --address HOST:PORT`
"""
