"""The table: names and types of its columns, its folders, and how files come into it."""
