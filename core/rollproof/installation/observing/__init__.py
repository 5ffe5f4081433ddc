"""Telling others what happens: events as lines, webhooks, metrics, traces; all optional.

An *outlet* is one receiver.  What it is told comes out of the journal and nowhere else:
it is read by a thread of its own, with a connection of its own, so that no receiver,
however slow or broken, can hold up a host, and whatever was recorded while a receiver or
this program was away is still there to be told.  One process at a time feeds the outlets
of a home; another takes over when it ends.

From the bottom: `lines` (how an event is spelled), `place` (how far an outlet has read),
`tap` (the events of all runs, read on), `outlet` (what an outlet is), `events_file`,
`webhook`, `metrics`, `traces` (the outlets), `feed` (a thread that keeps one fed),
`observatory` (all of them), `settings` (what the user writes down).  docs/events.md
describes what receivers see.
"""
