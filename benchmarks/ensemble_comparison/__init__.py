"""What ``benchmarks.ensembles`` compares, and how.

regimes     the samples, teachers, student and budget under which methods are compared
methods     the distillation methods, each with the settings that are tried for it
choices     what is tried for a method beside learning rate and weight decay
training    trains the students of one setting, and evaluates them
tuning      tunes each method on the validation part, then trains with other seeds; stores results
step_times  step times of each method relative to the uniform mean's, measured in alternation
comparison  what is compared, where results are stored, and which there are
table       a regime's table and sentences
overview    a table and a figure over all regimes
page        the whole page
"""
