# Where placebos raise false alarms too often, a person is asked.

policy auto audit=0.01
----

12:00:00 release ledger 1.1.0 replaces 1.0.0
12:00:30 release cart 2.0.0 replaces 1.9.0
12:00:40 release search 3.1.0 replaces 3.0.0
12:01:00 audit concurrent trials=40 alarms=3 lower=0.013
12:01:00 audit before_after trials=40 alarms=0 lower=0
12:01:00 judged ledger 1.1.0 regressed
----
plan shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: open; ask, verdicts by comparison of instances are not to be relied on here: 3 of 40 placebos raised a false alarm, at least 1.3 % where policy default allows 1 %; the latest, of shop/cart 1.0.0 at 12:01:00 UTC: shop/cart fails 9 % of requests; recovery unknown

gates ledger
----
target         pass   1.0.0 is the version that it replaced
target_health  pass   nothing is known against the version to return to
contract       pass   no release that was rolled out together with it is known to need it
evidence       pass   the evidence is beyond the policy's threshold, and nothing speaks against it
cause          pass   a release is the most probable cause
telemetry      pass   telemetry arrives
answer         pass   nobody said no
running        pass   no other rollback is running in this environment
verifying      pass   no other rollback waits to be verified in this environment
cooldown       pass   shop/ledger was not rolled back lately
budget         pass   0 of 10 automatic rollbacks in 24 h were made
audit          block  verdicts by comparison of instances are not to be relied on here: 3 of 40 placebos raised a false alarm, at least 1.3 % where policy default allows 1 %; the latest, of shop/cart 1.0.0 at 12:01:00 UTC: shop/cart fails 9 % of requests

12:01:30 answer ledger approve alice
----
rollback shop/ledger 1.1.0 to 1.0.0 by alice
  shop/ledger 1.1.0: mitigating; rollback, alice approved the rollback; recovery pending

# When enough placebos have passed, or the policy allows for more, nobody is asked.
# One alarm alone proves nothing, and another comparison's alarms are not this one's.

12:02:30 outcome ledger rollback done
12:03:00 recovery ledger 1.1.0 recovered
----
verify shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigated; rollback, alice approved the rollback; recovery pending
  shop/ledger 1.1.0: resolved; rollback, alice approved the rollback; recovery recovered

policy auto audit=0.05
----

12:20:00 audit concurrent trials=40 alarms=3 lower=0.013
12:20:00 judged cart 2.0.0 regressed
----
rollback shop/cart 2.0.0 to 1.9.0
  shop/cart 2.0.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending

12:20:10 outcome cart rollback done
12:20:40 recovery cart 2.0.0 recovered
----
verify shop/cart 2.0.0 to 1.9.0
  shop/cart 2.0.0: mitigated; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
  shop/cart 2.0.0: resolved; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery recovered

policy auto audit=0.01
----

12:40:00 audit concurrent trials=1 alarms=1 lower=0.025
12:40:00 audit before_after trials=40 alarms=9 lower=0.1
12:40:00 judged search 3.1.0 regressed
----
rollback shop/search 3.1.0 to 3.0.0
  shop/search 3.1.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
