"""From a file and the command line to a valid recipe: every problem at once, each at its place.

Reading
  loading            a file, with the command line's overrides, as a valid recipe; that in full
  yaml_values        YAML as plain values: bounded, without tags, each key once
  overrides          single values from the command line
  environment        ``${env:NAME}``, the one module that reads it
  unsupported        settings that this version does not support yet, refused by name

Checking
  schema             what a recipe can hold at each place; default kinds
  validation_errors  pydantic's errors as problems
  rules              rules across sections
  files              what of the files that it names shows without reading them
  advice             notes on a valid recipe
  unusual_numbers    notes on numbers that may be meant in another unit
  message_text       how a sentence shows places, values, lists and the nearest name
"""
