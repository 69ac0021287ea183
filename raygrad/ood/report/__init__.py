"""One HTML page that shows a table's scores, and opens offline.

``contents`` gathers all that is shown, ``page`` renders it through the templates; every other file
is one part of either.
"""
