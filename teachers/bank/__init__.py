"""Keeps teachers' answers, so that none is computed twice. Needs numpy alone.

columns         an answer in a fixed number of bytes
shelf           whose answers, to what: the identity that stands in every file
places          where files lie
journal         what one writer appends, others read behind it
presence        which ids there are: a bit each, and in which row
sealed          rows by id, mapped, a checksum a block
sealed_head     how a sealed file begins, how long it is
sealing         journals of dead writers into sealed files
gathered        one column, wherever it lies
reading         what is sealed, for a student's rank
writing         what anybody has stored, for a teacher's host
writing_column  one column of that
claims          who is computing what
budget          who goes first when it is full
stock           what there is, from outside; takes it away
verifying       everything read and held to its checksums
holding         locks that end with their process
"""
