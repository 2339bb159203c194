"""What a run found out: figures, tables, sentences, pictures.

run_report    the values, to JSON and back
reporting     from finished stages to these values
latency       times finished models, one after the other
repeats       what several seeds say together
report_table  tables in the terminal
report_words  sentences
report_page   ``report.md``
pictures      PNG files
"""
