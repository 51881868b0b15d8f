package ingest

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Requests belong to whom the labels name, where what sends the metric only passes it on.
func TestWhoseRequestsMetricsCount(t *testing.T) {
	type labelled = map[string]any
	istio := labelled{
		"reporter": "destination", "response_code": "200", "request_protocol": "http", "source_workload": "front",
		"destination_workload": "cart-v2", "destination_app": "cart", "destination_version": "v2", "destination_workload_namespace": "shop",
	}
	with := func(base labelled, more labelled) labelled {
		out := labelled{}
		for _, m := range []labelled{base, more} {
			for k, v := range m {
				out[k] = v
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		sender, version, metric string
		labels                  labelled
		want                    string // namespace/name version instance, "" if nothing is counted
	}{
		"a mesh, scraped":                    {"kubernetes-pods", "", "istio_requests_total", istio, "shop/cart v2 scraped"},
		"… with the pod's name":              {"kubernetes-pods", "", "istio_requests_total", with(istio, labelled{"pod": "cart-1"}), "shop/cart v2 cart-1"},
		"… by the service itself":            {"cart", "7", "istio_requests_total", istio, "/cart 7 scraped"},
		"… under its workload's name":        {"cart-v2", "7", "istio_requests_total", istio, "/cart-v2 7 scraped"},
		"… which does not know its version":  {"cart", "", "istio_requests_total", istio, "/cart v2 scraped"},
		"… which names nobody":               {"proxies", "", "istio_requests_total", labelled{"reporter": "destination", "destination_app": "unknown", "response_code": "200"}, "/proxies unknown scraped"},
		"a Collector's, by connector":        {"collector", "0.9", "calls_total", labelled{"service.name": "cart", "service.version": "1.2", "span.kind": "SPAN_KIND_SERVER"}, "/cart 1.2 scraped"},
		"… through Prometheus":               {"collector", "", "traces_span_metrics_calls_total", labelled{"service_name": "cart", "service_version": "1.2", "service_instance_id": "c-1", "span_kind": "SPAN_KIND_SERVER"}, "/cart 1.2 c-1"},
		"… without a version":                {"collector", "0.9", "calls", labelled{"service.name": "cart", "span.kind": "SPAN_KIND_SERVER"}, "/cart unknown scraped"},
		"a library's, scraped from pods":     {"kubernetes-pods", "", "http_requests_total", labelled{"code": "200", "app": "cart", "version": "3", "pod": "cart-1", "namespace": "shop"}, "shop/cart 3 cart-1"},
		"a label app without one of the pod": {"cart", "", "http_requests_total", labelled{"code": "200", "app": "phone", "version": "v1"}, "/cart unknown scraped"},
		"a proxy of Linkerd's":               {"linkerd-proxy", "", "response_total", labelled{"direction": "inbound", "classification": "success", "deployment": "cart", "pod": "cart-5d-x", "pod_template_hash": "5d", "namespace": "shop"}, "shop/cart 5d cart-5d-x"},
		"a mesh, as callers tell":            {"kubernetes-pods", "", "istio_requests_total", with(istio, labelled{"reporter": "source"}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAggregator(t)
			for n := 1; n <= 3; n++ {
				p := counter(c.metric, float64(10*n), c.labels).minute(n)
				p.service, p.version, p.pod = c.sender, c.version, "scraped"
				p.send(t, a)
			}
			var got []string
			for _, tick := range a.Flush() {
				for _, w := range tick.Windows {
					if len(w.Operations) > 0 {
						got = append(got, w.Release.Namespace+"/"+w.Release.Name+" "+w.Release.Version+" "+w.Instance.ID)
					}
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, strings.Join(slices.Compact(got), ", ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Where nobody names the service, what Kubernetes calls it stands in.
func TestServicesThatNobodyNamed(t *testing.T) {
	for name, c := range map[string]struct {
		data resourceData
		want string // namespace/name; "" if there is none
	}{
		"by name":                 {resourceData{serviceName: "cart", serviceNamespace: "shop", deploymentName: "d", namespaceName: "ns"}, "shop/cart"},
		"by its deployment":       {resourceData{deploymentName: "cart", namespaceName: "shop"}, "shop/cart"},
		"by its set":              {resourceData{statefulsetName: "cart", serviceNamespace: "shop", namespaceName: "ns"}, "shop/cart"},
		"by a label":              {resourceData{nameLabel: "cart"}, "/cart"},
		"by the SDK's word":       {resourceData{serviceName: "unknown_service:java"}, "/unknown_service:java"},
		"by more than the SDK's":  {resourceData{serviceName: "unknown_service:java", jobName: "night", namespaceName: "shop"}, "shop/night"},
		"by the pod's name alone": {resourceData{podName: "cart-1"}, ""},
	} {
		id, err := c.data.identity()
		if got := id.release.Namespace + "/" + id.release.Name; (err != nil) != (c.want == "") || err == nil && got != c.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
	}
}
