"""A chunk of lines -> what becomes of each, line by line or many at once."""
