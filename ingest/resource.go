package ingest

import (
	"cmp"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"

	"unship.dev"
)

// resourceField is a resource attribute that matters here.
type resourceField uint8

const (
	resourceOther resourceField = iota
	serviceName
	serviceNamespace
	serviceVersion
	serviceInstance
	environmentName
	environmentOld
	imageTags
	imageTagOld
	manifestDigest
	repoDigests
	imageID
	revision
	versionLabel
	platformVersion
	replicasetName
	deploymentName
	statefulsetName
	daemonsetName
	cronjobName
	jobName
	namespaceName
	nameLabel
	podName
	podUID
	platformInstance
	nodeName
	hostName
	processID
	containerID
	cloudRegion
	cloudZone
	clusterName
	resourceFieldCount
)

// resourceFieldOf finds the field of a resource attribute's name.
func resourceFieldOf(key string) resourceField {
	switch key {
	case "service.name":
		return serviceName
	case "service.namespace":
		return serviceNamespace
	case "service.version":
		return serviceVersion
	case "service.instance.id":
		return serviceInstance
	case "deployment.environment.name":
		return environmentName
	case "deployment.environment":
		return environmentOld
	case "container.image.tags":
		return imageTags
	case "container.image.tag":
		return imageTagOld
	case "oci.manifest.digest":
		return manifestDigest
	case "container.image.repo_digests":
		return repoDigests
	case "container.image.id":
		return imageID
	case "vcs.ref.head.revision", "vcs.repository.ref.revision", "git.commit.sha":
		return revision
	case "faas.version", "aws.ecs.task.revision", "heroku.release.version":
		return platformVersion
	}
	switch {
	case isLabel(key, "app.kubernetes.io/version"):
		return versionLabel
	case isLabel(key, "app.kubernetes.io/name"):
		return nameLabel
	}
	return placeFieldOf(key)
}

// isLabel says that a key is one of Kubernetes' recommended labels, as it is or under
// one of the prefixes that the conventions have, or had, for the labels of pods and of
// what makes them.
func isLabel(key, label string) bool {
	if !strings.HasSuffix(key, label) {
		return false
	}
	prefix := key[:len(key)-len(label)]
	return prefix == "" || strings.HasPrefix(prefix, "k8s.") &&
		(strings.HasSuffix(prefix, ".label.") || strings.HasSuffix(prefix, ".labels."))
}

func placeFieldOf(key string) resourceField {
	switch key {
	case "k8s.replicaset.name":
		return replicasetName
	case "k8s.deployment.name":
		return deploymentName
	case "k8s.statefulset.name":
		return statefulsetName
	case "k8s.daemonset.name":
		return daemonsetName
	case "k8s.cronjob.name":
		return cronjobName
	case "k8s.job.name":
		return jobName
	case "k8s.namespace.name":
		return namespaceName
	case "k8s.pod.name":
		return podName
	case "k8s.pod.uid":
		return podUID
	case "faas.instance", "aws.ecs.task.arn", "aws.ecs.task.id":
		return platformInstance
	case "k8s.node.name":
		return nodeName
	case "host.name":
		return hostName
	case "process.pid":
		return processID
	case "container.id":
		return containerID
	case "cloud.region":
		return cloudRegion
	case "cloud.availability_zone":
		return cloudZone
	case "k8s.cluster.name":
		return clusterName
	}
	return resourceOther
}

// resourceData are a resource's attributes as a decoder hands them over: of a
// list the first element. Nothing in it is kept.
type resourceData [resourceFieldCount]string

// identity is what a resource stands for. It is comparable.
type identity struct {
	release  unship.ReleaseID
	instance unship.Instance
	build    string
	place    place
}

// placeKeys are the resource attributes by which instances are told apart, beside
// their own names.
var placeKeys = [...]string{"cloud.region", "cloud.availability_zone", "k8s.cluster.name"}

// place are the values of placeKeys; "" where one is unknown.
type place [len(placeKeys)]string

// maxIdentity is the length, in bytes, to which names of services, instances
// and the like are cut.
const maxIdentity = 200

var errNoService = errors.New("resource has no service.name")

func (d *resourceData) identity() (identity, error) {
	var id identity
	namespace, name := d.service()
	if name == "" {
		return id, errNoService
	}
	id.release.Service = unship.Service{
		Environment: cut(cmp.Or(d[environmentName], d[environmentOld]), maxIdentity),
		Namespace:   cut(namespace, maxIdentity),
		Name:        cut(name, maxIdentity),
	}
	id.release.Version, id.build = d.version()
	id.instance = unship.Instance{
		ID:   cut(d.instanceID(), maxIdentity),
		Node: cut(cmp.Or(d[nodeName], d[hostName]), maxIdentity),
	}
	if id.instance.ID == unknownInstance && id.build != "" { // builds are told apart by their windows
		id.instance.ID = unknownInstance + ", build " + id.build
	}
	for i, f := range [len(placeKeys)]resourceField{cloudRegion, cloudZone, clusterName} {
		id.place[i] = cut(d[f], maxTraitValue)
	}
	return id, nil
}

// nobody is what SDKs call a service that nobody named.
const nobody = "unknown_service"

// service gives what the resource calls its service. What Kubernetes calls it stands in
// where nobody named it, as logs that are read from files have it: by the rules of the
// OpenTelemetry operator for service.name and service.namespace.
func (d *resourceData) service() (namespace, name string) {
	if d[serviceName] != "" && !strings.HasPrefix(d[serviceName], nobody) {
		return d[serviceNamespace], d[serviceName]
	}
	name = cmp.Or(d[deploymentName], d[statefulsetName], d[daemonsetName], d[cronjobName], d[jobName], d[nameLabel])
	if name == "" {
		return d[serviceNamespace], d[serviceName]
	}
	return cmp.Or(d[serviceNamespace], d[namespaceName]), name
}

// version gives what stands for the release's version, and what tells two
// builds of one version apart. The version is service.version, unless it is
// missing or tells nothing; then, in this order, the image's tag, its digest,
// the commit, the version by the platform (a function's, a task's), the version by
// a label, which whoever deploys may forget to raise, and the hash of the pod template.
func (d *resourceData) version() (version, build string) {
	tag := cmp.Or(NormalizeVersion(d[imageTags]), NormalizeVersion(d[imageTagOld]))
	digest := cmp.Or(digestOf(d[manifestDigest]), digestOf(d[repoDigests]), digestOf(d[imageID]))
	commit := shortCommit(d[revision])
	build = cmp.Or(digest, digestOf(d[serviceVersion]), commit, tag)
	version = cmp.Or(
		NormalizeVersion(d[serviceVersion]), tag, digest, commit,
		NormalizeVersion(d[platformVersion]), NormalizeVersion(d[versionLabel]),
		podHash(d[replicasetName], d[podName], d[deploymentName]),
		cut(d[serviceVersion], maxVersion), unknownVersion,
	)
	if build == version {
		build = ""
	}
	return version, build
}

// instanceID prefers the pod's name: service.instance.id may be random at each start.
func (d *resourceData) instanceID() string {
	switch {
	case d[podName] != "":
		return d[podName]
	case d[serviceInstance] != "":
		return d[serviceInstance]
	case d[podUID] != "" || d[platformInstance] != "":
		return cmp.Or(d[podUID], d[platformInstance])
	case d[hostName] != "" && d[processID] != "":
		return d[hostName] + "/" + d[processID]
	}
	return cmp.Or(d[containerID], d[hostName], unknownInstance)
}

// unknownInstance stands for all instances that nothing tells apart.
const unknownInstance = "unknown"

func digestOf(reference string) string {
	_, digest := splitDigest(reference)
	return digest
}

func shortCommit(rev string) string {
	if len(rev) > shortRevision && isHex(rev) {
		rev = rev[:shortRevision]
	}
	return NormalizeVersion(rev)
}

// resource is one instance of one release, known by its number.
type resource struct {
	identity
	number  uint32
	service uint32 // number of the service
	// dropped are the keys of traits that the service has too many values of.
	dropped atomic.Pointer[keySet]

	reduced []byte // the identity, as journals have it

	forms  []string    // how it was written, as keys of resources.forms
	series seriesForms // of its data points
	users  int         // requests at work on it
	last   int64       // index of the last window it has data in
}

// resourceBytes is the estimated memory of one resource.
const resourceBytes = 800

// resources numbers the resources that open windows, and those kept for joins, refer to.
type resources struct {
	pending *atomic.Int64
	series  atomic.Int64 // forms of series, of all resources
	swept   int64        // the window at which silent forms were last dropped

	mu    sync.RWMutex
	known map[identity]*resource
	list  []*resource // by number
	free  []uint32

	forms        map[string]*resource // by the bytes of a message
	services     map[unship.Service]*serviceNumber
	freeServices []uint32
}

// serviceNumber is a service's number, as long as a resource of it is known.
type serviceNumber struct {
	number uint32
	users  int
}

func newResources(pending *atomic.Int64) *resources {
	return &resources{pending: pending, known: map[identity]*resource{}, forms: map[string]*resource{}, services: map[unship.Service]*serviceNumber{}}
}

// use finds or adds a resource. It stays until done is called, and after that
// as long as windows may refer to it.
func (t *resources) use(d *resourceData) (*resource, error) {
	id, err := d.identity()
	if err != nil {
		return nil, err
	}
	return t.find(id), nil
}

// find is use for what a resource stands for.
func (t *resources) find(id identity) *resource {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.known[id]
	if r == nil {
		r = t.add(id)
	}
	r.users++
	return r
}

// maxForms is how many ways of writing one resource are remembered: with traces,
// metrics and logs it comes from different exporters.
const (
	maxForms     = 4
	maxFormBytes = 4 << 10
)

// formBytes is the estimated memory of a form.
func formBytes[T string | []byte](message T) int64 { return int64(len(message)) + 64 }

// recall finds a resource by the bytes of its message, nil if they are new, and uses it.
func (t *resources) recall(message []byte) *resource {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.forms[string(message)]
	if r != nil {
		r.users++
	}
	return r
}

// note remembers how a resource, which must be in use, was written.
func (t *resources) note(message []byte, r *resource) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(message) > maxFormBytes || len(r.forms) >= maxForms || t.forms[string(message)] != nil {
		return
	}
	form := string(message)
	r.forms = append(r.forms, form)
	t.forms[form] = r
	t.pending.Add(formBytes(form))
}

func (t *resources) add(id identity) *resource {
	r := &resource{identity: id.clone(), last: firstIndex}
	if n := len(t.free); n > 0 {
		r.number = t.free[n-1]
		t.free = t.free[:n-1]
		t.list[r.number] = r
	} else {
		r.number = uint32(len(t.list))
		t.list = append(t.list, r)
	}
	for _, text := range r.texts() {
		r.reduced = appendText(r.reduced, *text)
	}
	t.known[r.identity] = r
	r.service = t.enlist(r.release.Service)
	t.pending.Add(resourceBytes)
	return r
}

// enlist gives the number of a service, which has one resource more.
func (t *resources) enlist(id unship.Service) uint32 {
	s := t.services[id]
	if s == nil {
		s = &serviceNumber{number: uint32(len(t.services))}
		if n := len(t.freeServices); n > 0 {
			s.number = t.freeServices[n-1]
			t.freeServices = t.freeServices[:n-1]
		}
		t.services[id] = s
	}
	s.users++
	return s.number
}

func (t *resources) discharge(id unship.Service) {
	s := t.services[id]
	if s.users--; s.users == 0 {
		t.freeServices = append(t.freeServices, s.number)
		delete(t.services, id)
	}
}

// done ends a use of each; last is the latest window that was given data.
func (t *resources) done(list []*resource, last int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range list {
		r.users--
		r.last = max(r.last, last)
	}
}

// forget drops the resources without data since the window before.
func (t *resources) forget(before int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sweep := before-t.swept >= sweepWindows
	if sweep {
		t.swept = before
	}
	for number, r := range t.list {
		switch {
		case r == nil:
			continue
		case r.users > 0 || r.last >= before:
			if sweep {
				t.forgetForms(r, before)
			}
			continue
		}
		t.forgetForms(r, math.MaxInt64)
		delete(t.known, r.identity)
		t.discharge(r.release.Service)
		for _, form := range r.forms {
			t.pending.Add(-formBytes(form))
			delete(t.forms, form)
		}
		t.list[number] = nil
		t.free = append(t.free, uint32(number))
		t.pending.Add(-resourceBytes)
	}
}

// snapshot gives the resources by number, for the one who closes windows.
func (t *resources) snapshot() []*resource {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return append([]*resource(nil), t.list...)
}

// clone copies the texts out of the decoder's buffer.
func (id identity) clone() identity {
	for _, s := range id.texts() {
		*s = strings.Clone(*s)
	}
	return id
}

// texts gives all that makes an identity. Their order is written to journals and never
// changes.
func (id *identity) texts() [10]*string {
	return [...]*string{
		&id.release.Environment, &id.release.Namespace, &id.release.Name, &id.release.Version,
		&id.instance.ID, &id.instance.Node, &id.build, &id.place[0], &id.place[1], &id.place[2],
	}
}

func (t *resources) count() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.known)
}

// drop tells the resources which keys of traits need not be read any more.
func (t *resources) drop(keys func(unship.Service) *keySet) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, r := range t.known {
		r.dropped.Store(keys(r.release.Service))
	}
}
