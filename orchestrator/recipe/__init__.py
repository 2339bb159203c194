"""From a file and the command line to a judged recipe: every problem at once, each at its place.

Reading
  loading         a file, with what the command line sets, as a judged recipe
  yaml_values     YAML as plain values: bounded, without tags, each key once
  overrides       single values from the command line
  environment     ``${env:NAME}``, the one place that reads it
  kinds           the kind where a recipe gives options alone
  later           settings that are not there yet, refused by name

Judging
  fields          what a recipe can hold where
  problems        what pydantic says, as problems
  rules           judged across sections: all rules in order
  rules_samples   about the transfer set
  rules_teaching  about who teaches whom
  rules_ensemble  about how teachers agree
  rules_weights   about weights over the epochs
  rules_classes   about which classes a teacher knows
  rules_gate      about a student that weighs its teachers itself
  rules_bank      about what is kept of answers
  rules_training  about how a model is trained
  rules_engine    about engines and places
  files           the files that it names, and which are not there
  remarks         what its author should know of it, though nothing is wrong
  weights_told    its weights over the epochs, in words
  wording         how a sentence spells places, values and the nearest name

Writing
  printing        in full, with secrets kept out of sight
  init            a commented recipe to start from
"""
