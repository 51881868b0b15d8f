# A replay plans and skips: the verdict stands, nothing is verified, and the
# next guilty release has its turn.

policy auto
----

12:00:00 release ledger 1.1.0 replaces 1.0.0
12:00:00 release cart 2.1.0 replaces 2.0.0
12:01:00 judged ledger 1.1.0 regressed p=0.6
12:01:00 judged cart 2.1.0 regressed p=0.9
----
rollback shop/cart 2.1.0 to 2.0.0
plan shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: open; ask, another rollback is running in this environment: that of shop/cart 2.1.0; recovery unknown
  shop/cart 2.1.0: mitigating; rollback, it is the cause with a probability of 90 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending

12:01:01 outcome cart rollback skipped
----
rollback shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigating; rollback, it is the cause with a probability of 60 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
  shop/cart 2.1.0: open; rollback, it is the cause with a probability of 90 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery unknown

12:01:02 outcome ledger rollback skipped
----
  shop/ledger 1.1.0: open; rollback, it is the cause with a probability of 60 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery unknown

12:09:00 judged ledger 1.1.0 regressed p=0.6
----
