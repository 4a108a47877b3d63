"""Views: what a person knows of a race beside its history, read from files, with a stated effect.

Headers of others' files in `columns.py`, files to statements in `reading.py`, names to drivers in
`people.py`, what a run takes of them in `in_force.py`, targets and weights in `targets.py` and
`tilting.py`, starts at the rear in `rear.py`.
"""
