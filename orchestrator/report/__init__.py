"""What a run found out: figures, tables, sentences, pictures.

run_report        the values, to JSON and back
teaching_report   of these, how the student was taught
reporting         from finished stages to these values
teaching_figures  how the student was taught, gathered
latency           times finished models, one after the other
repeats           what several seeds say together
report_table      tables in the terminal
report_words      sentences
teaching_words    of these, how fast it was taught, and what was foretold
quantities        rates and times in words
report_page       ``report.md``
pictures          PNG files
"""
