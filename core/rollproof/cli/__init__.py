"""The command line.

`main` declares the verbs and imports nothing that is slow; the bodies, in `declaring`,
`running` and `local`, are imported once their verb is asked for.
"""
