"""What a run found out: figures, tables, sentences, pictures.

The values
  run_report        all of them, to JSON and back
  teaching_report   of these, how the student was taught
  listening_report  of these, who it listened to
  term_report       of these, what each term said

From finished stages
  reporting         to these values
  teaching_figures  how the student was taught
  lesson_figures    who it listened to, and its terms
  stage_overlap     which stages were at work beside each other
  latency           times finished models, one after the other
  repeats           what several seeds say together

In the terminal and on a page
  grid              a table, and how it is drawn
  report_table      the tables
  lesson_tables     of these, who was listened to, and what drove the student
  report_words      sentences
  teaching_words    of these, how fast it was taught, and what was foretold
  lesson_words      of these, who was listened to, and what drove the student
  quantities        rates and times in words
  report_page       ``report.md``
  pictures          PNG files
  lesson_pictures   of these, who was listened to, and what drove the student
  picture_style     what all pictures share
"""
