"""The commands, each in a module that is read when it is used.

init, check, run, list, report, compare, bank, clean   the commands of those names
recipe_arguments                                       how a command takes a recipe
standard_output                                        where they print
"""
