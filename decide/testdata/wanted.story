# Only something that may be wanted changed: ask. When more than that shows,
# the release is taken back.

policy auto
----

12:00:00 release ledger 1.1.0 replaces 1.0.0
12:01:00 judged ledger 1.1.0 inconclusive wanted
----
plan shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: open; ask, what changed may be what the release is for, or not its own doing; a person has to say; recovery unknown

12:02:00 judged ledger 1.1.0 regressed wanted
----

12:03:00 judged ledger 1.1.0 regressed
----
rollback shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
