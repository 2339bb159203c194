"""Tables and units in text.

table  A table of words and figures, and how it is drawn in the terminal
units  Says rates and times as people read them
"""
