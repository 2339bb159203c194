"""Tables and units in text.

table  A table of words and figures, and how it is drawn in the terminal
units  Formats rates, times and sizes for people to read
"""
