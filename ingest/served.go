package ingest

import (
	"slices"
	"strings"
)

// servedLabels are the labels of a metric that tell who served the requests which it
// counts, the most telling first: a proxy tells of the service behind it, a Collector of
// services whose spans it counted, and what Prometheus scrapes comes under the name of a
// job. Of each list the first that a point has counts.
type servedLabels struct {
	names, versions, namespaces, environments, instances []string
}

var (
	meshLabels = servedLabels{ // of Istio
		names:      []string{"destination_canonical_service", "destination_app", "destination_service_name", "destination_workload"},
		versions:   []string{"destination_version", "destination_canonical_revision"},
		namespaces: []string{"destination_workload_namespace", "destination_service_namespace"},
		instances:  podLabels,
	}
	connectorLabels = servedLabels{ // as the spanmetrics connector and Prometheus write them
		names:        []string{"service.name", "service_name"},
		versions:     []string{"service.version", "service_version"},
		namespaces:   []string{"service.namespace", "service_namespace"},
		environments: []string{"deployment.environment.name", "deployment_environment_name", "deployment.environment", "deployment_environment"},
		instances:    append([]string{"service.instance.id", "service_instance_id"}, podLabels...),
	}
	// scrapeLabels are those that are usually copied from the pod that is scraped. They
	// count where one of them names the pod.
	scrapeLabels = servedLabels{
		names:      []string{"app_kubernetes_io_name", "app", "deployment", "statefulset", "daemonset", "container"},
		versions:   []string{"app_kubernetes_io_version", "version", "pod_template_hash"},
		namespaces: []string{"namespace", "kubernetes_namespace"},
		instances:  podLabels,
	}
	podLabels = []string{"k8s.pod.name", "k8s_pod_name", "pod", "pod_name", "kubernetes_pod_name"}
)

// served gives whose requests the points of a series of a resource count; nil if it is the
// resource's own, or nothing tells otherwise.
func (s source) served(r *resource, attributes []attribute) *identity {
	var of *servedLabels
	switch s {
	case sourceNone:
		return nil
	case mesh:
		of = &meshLabels
	case spanMetrics:
		of = &connectorLabels
	}
	if of != nil {
		if id := of.identity(r, attributes); id != nil {
			return id
		}
	}
	if first(attributes, podLabels) == "" {
		return nil
	}
	return scrapeLabels.identity(r, attributes)
}

// identity gives whom the labels name, the version of the resource's own service if only
// they know it; nil if they say nothing that the resource does not.
func (l *servedLabels) identity(r *resource, attributes []attribute) *identity {
	id := r.identity
	version := NormalizeVersion(first(attributes, l.versions))
	name := first(attributes, l.names)
	switch {
	case name == "":
		return nil
	case !l.calls(attributes, r.release.Name):
		id.release.Name, id.release.Version, id.build = cut(name, maxIdentity), version, ""
		if version == "" {
			id.release.Version = unknownVersion
		}
		if s := first(attributes, l.namespaces); s != "" {
			id.release.Namespace = cut(s, maxIdentity)
		}
		if s := first(attributes, l.environments); s != "" {
			id.release.Environment = cut(s, maxIdentity)
		}
	case r.release.Version == unknownVersion && version != "":
		id.release.Version = version
	default:
		return nil
	}
	if s := first(attributes, l.instances); s != "" {
		id.instance.ID = cut(s, maxIdentity)
	}
	id = id.clone()
	return &id
}

// calls says that one of the labels for the name has this value.
func (l *servedLabels) calls(attributes []attribute, value string) bool {
	return slices.ContainsFunc(attributes, func(a attribute) bool { return a.value == value && slices.Contains(l.names, a.key) })
}

// first gives the value of the first of some labels that says something.
func first(attributes []attribute, keys []string) string {
	for _, key := range keys {
		for _, a := range attributes {
			if a.key == key && a.value != "" && !strings.EqualFold(a.value, "unknown") {
				return a.value
			}
		}
	}
	return ""
}
