"""The columns of every stored table: type, meaning, unit and source, declared once.

One module a package of tables, light to import: the UI, the documentation and exports show what
stands here, and the schemas that code works with are made from it (`types_of`).
"""
