# A rollback that fails, or that nobody knows about, calls people.

policy auto cooldown=0s
----

12:00:00 release ledger 1.1.0 replaces 1.0.0
12:00:00 release cart 2.1.0 replaces 2.0.0
12:01:00 judged ledger 1.1.0 regressed
12:01:05 outcome ledger rollback failed
----
rollback shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
escalate shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: escalated; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery unknown

12:02:00 judged cart 2.1.0 regressed
12:02:05 outcome cart rollback unknown
----
rollback shop/cart 2.1.0 to 2.0.0
  shop/cart 2.1.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
escalate shop/cart 2.1.0 to 2.0.0
  shop/cart 2.1.0: escalated; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery unknown
