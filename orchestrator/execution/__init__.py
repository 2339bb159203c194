"""Runs the stages of a plan.

bank_shelves     Where the answers of a stage's teachers are kept, and under what they are known
executor         Runs a plan: each stage once it can, what is stored already not at all
parity_gate      Settles how a teacher is run, and lets none teach that fails the parity gate
prewarm          Makes processes ready for the stage that needs most of them, while the first are p
progress         Progress bars: one for each stage under way, on standard error
role_specs       From a stage of the plan to what its roles are told and where they are put
signals          Turns SIGINT and SIGTERM into one orderly way out
stage_runner     Carries out one stage: starts its roles, listens to them, lets them go
teacher_startup  Gets the teachers of a stage ready: finds what they have stored, starts those that
"""
