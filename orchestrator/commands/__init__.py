"""The commands, each in a module that is imported when it is used.

init, check, run, search                               the commands of those names
list, report, compare, bank, clean                     others of those names
options                                                what several commands share, as --home
standard_output                                        keeps it for what a command prints
"""
