"""Stores teachers' answers, so that none is computed twice. Needs numpy alone.

columns        an answer's columns as rows of a fixed number of bytes
shelf          one teacher's answers to one transfer set: their identity, and where files are
locks          locks that end with their process, and claims on what is being computed
journal        what one writer appends and others read behind it
sealed_file    rows by id, mapped, with a checksum for each block
merged_column  one column of one view, from the sealed file and all journals
compaction     seals: merges the journals of dead writers into sealed files
reader         one view as a student's rank reads it: what is sealed
writer         one view as a teacher's host uses it: what all have stored, and where it appends
budget         deletes what was used longest ago when the bank is full
inventory      what there is, from outside: lists, verifies and deletes it
"""
