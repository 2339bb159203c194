"""How K teachers agree: one rule for each kind of ``ensemble.weighting``.

rule      what a rule is told of a micro-batch, and what it answers
catalog   the closed table: which kind of the recipe is which rule
given     weights that the recipe gives as numbers, one for each teacher
sharing   one vote for each sample, shared equally among those chosen
uniform   every teacher counts the same
fixed     every teacher counts as the recipe says
random_choice  one teacher at random, for each sample or each micro-batch
entropy   the teacher that is least sure, or surest
confidence    by how well each teacher names the label
correct_only  those that name the label; the label itself where none does
specialists   those that know some of the classes, each where it knows
adaptive  nobody here: the student's own gate weighs
held_out  which rules can be judged on samples without labels and without the student
"""
