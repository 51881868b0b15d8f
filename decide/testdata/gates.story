# Each gate stops the automatic rollback, says why, and lets it go when its
# reason is gone.

policy auto cooldown=10m budget=2
----

12:00:00 release ledger 1.1.0 replaces 1.0.0
12:00:00 release cart 2.1.0
12:00:00 release mail 3.1.0 replaces 3.0.0
----

# No target.

12:01:00 judged cart 2.1.0 regressed
----
  shop/cart 2.1.0: open; ask, nobody knows which version shop/cart 2.1.0 replaced: there is nothing to return to; recovery unknown

12:01:01 answer cart approve alice
----
  shop/cart 2.1.0: open; ask, alice approved the rollback; it waits: nobody knows which version shop/cart 2.1.0 replaced: there is nothing to return to; recovery unknown

12:01:02 answer cart reject alice
----
  shop/cart 2.1.0: dismissed; none, alice said that it is not the release; recovery unknown

# Doubts, another cause, innocence, an outage of telemetry.

12:02:00 judged ledger 1.1.0 regressed doubt=one-instance-only
----
plan shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: open; ask, there are doubts: one-instance-only; recovery unknown

12:02:05 judged ledger 1.1.0 regressed cause=dependency
----
  shop/ledger 1.1.0: open; ask, the most probable cause is no release: dependency; recovery unknown

12:02:10 judged ledger 1.1.0 regressed cause=unknown
----
  shop/ledger 1.1.0: open; ask, several causes are about as probable as this release; recovery unknown

12:02:15 judged ledger 1.1.0 regressed innocent
----
  shop/ledger 1.1.0: open; ask, it is held innocent: its callee fails for everybody; recovery unknown

12:02:20 judged ledger 1.1.0 regressed
12:02:20 tick outage=nothing-arrives
----
  shop/ledger 1.1.0: open; ask, telemetry as a whole broke down: nothing-arrives; recovery unknown

12:02:25 judged ledger 1.1.0 regressed
----
rollback shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending

12:02:30 outcome ledger rollback done
12:04:00 recovery ledger 1.1.0 recovered
----
verify shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigated; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
  shop/ledger 1.1.0: resolved; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery recovered

# The next version of the same service is bad as well: cooldown.

12:05:00 release ledger 1.2.0 replaces 1.0.0
12:06:00 judged ledger 1.2.0 regressed
----
plan shop/ledger 1.2.0 to 1.0.0
  shop/ledger 1.2.0: open; ask, shop/ledger was rolled back at 12:02:25 UTC; automatic rollbacks of it rest until 12:12:25 UTC; recovery unknown

12:12:24 tick
----

12:12:25 tick
----
rollback shop/ledger 1.2.0 to 1.0.0
  shop/ledger 1.2.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending

12:12:30 outcome ledger rollback done
----
verify shop/ledger 1.2.0 to 1.0.0
  shop/ledger 1.2.0: mitigated; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending

12:14:00 recovery ledger 1.2.0 recovered
----
  shop/ledger 1.2.0: resolved; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery recovered

# Budget.

12:20:00 judged mail 3.1.0 regressed
----
plan shop/mail 3.1.0 to 3.0.0
  shop/mail 3.1.0: open; ask, policy default allows 2 automatic rollbacks in 24 h, and 2 were made; recovery unknown

gates mail
----
target         pass   3.0.0 is the version that it replaced
target_health  pass   nothing is known against the version to return to
contract       pass   no release that was rolled out together with it is known to need it
evidence       pass   the evidence is beyond the policy's threshold, and nothing speaks against it
cause          pass   a release is the most probable cause
telemetry      pass   telemetry arrives
answer         pass   nobody said no
running        pass   no other rollback is running in this environment
verifying      pass   no other rollback waits to be verified in this environment
cooldown       pass   shop/mail was not rolled back lately
budget         block  policy default allows 2 automatic rollbacks in 24 h, and 2 were made
audit          pass   no placebo has been judged yet that would tell of false alarms
