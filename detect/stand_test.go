package detect

import (
	"reflect"
	"testing"

	"unship.dev"
)

// may are the parts that a copy may share: the services of the estate, which it
// only reads, and lessons that it reads when it begins.
var may = map[string]bool{"estate": true, "memory": true, "warmups": true}

// A copy shares no memory that either could change. The walk finds fields that
// are added later too, as long as the simulation fills them.
func TestACopySharesNothing(t *testing.T) {
	s := newSimulation(3)
	busy(s)
	shows := s.shows
	s.shows = func(v *simService, i *simInstance, t int, w *unship.Window) {
		shows(v, i, t, w)
		w.Metrics = append(w.Metrics, unship.Metric{Name: "requests.success.ratio", Unit: "1", At: w.Start, Value: .99})
	}
	v := s.service("cart")
	v.instances = append(v.instances, &simInstance{version: "1.0.0", id: "cart-young", from: 60, to: 1 << 30, bias: 1})
	d := newAudited(t, auditOptions)
	s.show(0, 130, d)
	original := d.services[v.id()]
	c := original.stand(func(*instance) bool { return true })
	if len(c.instances) != 5 || len(c.load) != len(original.load) || len(c.events) == 0 || len(c.slices) == 0 || len(c.metrics) < 2 {
		t.Fatalf("the copy has %d instances, %d events, %d slices, %d metrics", len(c.instances), len(c.events), len(c.slices), len(c.metrics))
	}
	places := map[uintptr]string{}
	walk(reflect.ValueOf(original).Elem(), "", func(at uintptr, path string) { places[at] = path })
	if len(places) < 100 {
		t.Errorf("only %d places were looked at", len(places))
	}
	walk(reflect.ValueOf(c).Elem(), "", func(at uintptr, path string) {
		if first, ok := places[at]; ok {
			t.Errorf("%s of the copy is %s of the original", path, first)
		}
	})
}

// walk visits all memory that a value leads to and that could be written to.
func walk(v reflect.Value, path string, visit func(at uintptr, path string)) {
	switch v.Kind() {
	case reflect.Struct:
		for k := range v.NumField() {
			if name := v.Type().Field(k).Name; !may[name] {
				walk(v.Field(k), path+"."+name, visit)
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			visit(v.Pointer(), path)
			walk(v.Elem(), path, visit)
		}
	case reflect.Slice:
		if v.Cap() > 0 {
			visit(v.Pointer(), path)
		}
		for k := range min(v.Len(), 20) {
			walk(v.Index(k), path+"[]", visit)
		}
	case reflect.Map:
		if !v.IsNil() {
			visit(v.Pointer(), path)
			for i := v.MapRange(); i.Next(); {
				walk(i.Value(), path+"[]", visit)
			}
		}
	default: // holds no other memory, or text, which nobody can change
	}
}
