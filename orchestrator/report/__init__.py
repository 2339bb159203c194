"""Collects the figures of finished stages and shows them as tables, sentences and pictures.

Collecting (needs torch)
  collect_run        one repeat of a run, from its finished stages
  collect_models     accuracies and soft targets, from stored logits; costs
  collect_objective  teacher weights and loss terms, from the step log
  collect_teaching   teachers' inference, speeds of steps, the prediction
  latency            milliseconds per sample on this machine, measured once per architecture
  compare_seeds      mean, spread and paired differences over several seeds (needs scipy)

Showing stored figures
  render_summary     sentences
  render_choice      candidates, and why one was taken
  render_tables      tables, and a report in the terminal
  render_study       tables and sentences of a study
  study_values       its scores, and what was drawn, in words
  render_study_page  both and the pictures, as ``study.md``
  render_page        both and the pictures, as ``report.md``
  plots              PNG files (needs matplotlib)
  plot_chain         accuracy along a chain of models
  plot_stages        the graph of stages, with times
  plot_study         a study: its front, or its history
  plot_elements      panels, lines, heat maps, axes, legends of which these are made
  plot_labels        what stands for a class in them
"""
