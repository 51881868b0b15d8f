# A flag is no version: nothing here takes it back, a person is told what to do.

policy auto
----

12:00:00 release ledger 1.0.0+rates changes flag rates on
12:01:00 judged ledger 1.0.0+rates regressed
----
  shop/ledger 1.0.0+rates: open; ask, it is no new version but a change (flag rates=on), which no action here takes back: set it back to off by hand; recovery unknown

timeline ledger
----
12:00:00 flag rates=on, off before
12:00:40 estimated onset
12:01:00 detected: shop/ledger 1.0.0+rates fails 6.1 % of POST /orders (0.2 % before)
12:01:00 decision: ask; it is no new version but a change (flag rates=on), which no action here takes back: set it back to off by hand

gates ledger
----
target         block  it is no new version but a change (flag rates=on), which no action here takes back: set it back to off by hand
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
audit          pass   no placebo has been judged yet that would tell of false alarms
