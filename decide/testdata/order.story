# A release that others were rolled out with and need: what must go back first is
# told, and a person is asked. Once it went back the rest follows.

policy auto
----

12:00:00 release ledger 1.1.0 replaces 1.0.0
12:01:00 judged ledger 1.1.0 regressed needed=cart
----
plan shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: open; ask, others need it and must go back before it: first shop/cart 2.0.0 to 1.0.0 (it calls what is new), then shop/ledger 1.1.0 to 1.0.0; recovery unknown

gates ledger
----
target         pass   1.0.0 is the version that it replaced
target_health  pass   nothing is known against the version to return to
contract       block  others need it and must go back before it: first shop/cart 2.0.0 to 1.0.0 (it calls what is new), then shop/ledger 1.1.0 to 1.0.0
evidence       pass   the evidence is beyond the policy's threshold, and nothing speaks against it
cause          pass   a release is the most probable cause
telemetry      pass   telemetry arrives
answer         pass   nobody said no
running        pass   no other rollback is running in this environment
verifying      pass   no other rollback waits to be verified in this environment
cooldown       pass   shop/ledger was not rolled back lately
budget         pass   0 of 10 automatic rollbacks in 24 h were made
audit          pass   no placebo has been judged yet that would tell of false alarms

12:02:00 judged ledger 1.1.0 regressed
----
rollback shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
