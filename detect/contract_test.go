package detect

import (
	"fmt"
	"strings"
	"testing"

	"unship.dev"
	"unship.dev/rules"
)

// pair is a service "cart" that is called by "web", both replaced at once, the
// first by a version that fails.
type pair struct {
	operation string  // of cart that the new web calls
	met       int     // windows in which the new web is answered by the old cart
	broken    float64 // share of its calls that fail then
}

const pairBegin = 60

func (p pair) tick(t int) (unship.Tick, []unship.Release) {
	k := unship.Tick{Start: simTime(t), End: simTime(t + 1), Closed: simTime(t + 3)}
	service := func(name string) unship.Service {
		return unship.Service{Environment: "production", Namespace: "shop", Name: name}
	}
	web, cart := "1.0.0", "1.0.0"
	if t >= pairBegin {
		web = "2.0.0"
	}
	if t >= pairBegin+p.met {
		cart = "2.0.0"
	}
	op, failed, broken := "GET /cart", uint64(0), uint64(0)
	if web == "2.0.0" {
		op = p.operation
	}
	if cart == "2.0.0" {
		failed = 30
	} else if web == "2.0.0" {
		broken = uint64(100 * p.broken)
	}
	for i := range 3 {
		w := unship.Window{
			Release: unship.ReleaseID{Service: service("cart"), Version: cart}, Instance: unship.Instance{ID: fmt.Sprintf("cart-%s-%d", cart, i)},
			Start: k.Start, Length: k.End.Sub(k.Start), Operations: []unship.Operation{
				{Name: "GET /cart", Requests: 100, Failed: failed, FailedHere: failed},
				{Name: "GET /v2/cart", Requests: 100},
			},
		}
		if cart == "1.0.0" {
			w.Operations = w.Operations[:1]
		}
		for j := range w.Operations {
			if w.Operations[j].Name == op {
				w.Operations[j].Callers = []unship.Caller{{Release: unship.ReleaseID{Service: service("web"), Version: web}, Requests: 100, FailedHere: broken}}
			}
		}
		k.Windows = append(k.Windows, w)
	}
	for i := range 3 {
		k.Windows = append(k.Windows, unship.Window{
			Release: unship.ReleaseID{Service: service("web"), Version: web}, Instance: unship.Instance{ID: fmt.Sprintf("web-%s-%d", web, i)},
			Start: k.Start, Length: k.End.Sub(k.Start), Operations: []unship.Operation{{Name: "GET /", Requests: 100}},
		})
	}
	var begun []unship.Release
	for _, r := range []struct {
		name string
		at   int
	}{{"cart", pairBegin + p.met}, {"web", pairBegin}} {
		if t == r.at {
			begun = append(begun, unship.Release{ReleaseID: unship.ReleaseID{Service: service(r.name), Version: "2.0.0"}, Previous: "1.0.0", FirstSeen: k.Start, LastSeen: k.End})
		}
	}
	return k, begun
}

func TestWhoCannotDoWithoutARelease(t *testing.T) {
	for _, c := range []struct {
		name string
		pair pair
		why  string // "": nobody depends
	}{
		{"it calls what the old one serves", pair{operation: "GET /cart"}, ""},
		{"it calls what only the new one serves", pair{operation: "GET /v2/cart"}, "it calls GET /v2/cart of shop/cart, which 1.0.0 does not serve"},
		{"it failed with the old one", pair{"GET /cart", 3, .4}, "40 % of its calls to shop/cart 1.0.0 failed, 0 % of those of 1.0.0"},
		{"it worked with the old one", pair{"GET /cart", 3, 0}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := New(Options{})
			if err != nil {
				t.Fatal(err)
			}
			for w := range pairBegin + 40 {
				k, begun := c.pair.tick(w)
				for _, j := range d.Observe(k, begun, rules.Set{rules.Default(unship.ModeAuto)}).Judgements {
					if j.Verdict != unship.Regressed || j.Release.Name != "cart" {
						continue
					}
					var why []string
					for _, x := range j.Dependents {
						why = append(why, x.Why)
						if x.Release.Name != "web" || x.Previous != "1.0.0" {
							t.Errorf("%s to %s depends; want web 2.0.0 to 1.0.0", x.Release, x.Previous)
						}
					}
					if got := strings.Join(why, "; "); got != c.why {
						t.Errorf("depends: %q; want %q", got, c.why)
					}
					return
				}
			}
			t.Error("cart is not found guilty")
		})
	}
}
