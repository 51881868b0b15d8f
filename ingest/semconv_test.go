package ingest

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

type attrs = map[string]string

func span(k kind, name string, a attrs) *spanData {
	d := &spanData{kind: k, name: name}
	for key, v := range a {
		d.fields[fieldOf(key)] = v
	}
	return d
}

func TestOperationNames(t *testing.T) {
	tests := []struct {
		name string
		a    attrs
		want string
	}{
		{"GET /orders/{id}", attrs{"http.request.method": "GET", "http.route": "/orders/{id}"}, "GET /orders/{id}"},
		{"old", attrs{"http.method": "POST", "http.route": "/orders"}, "POST /orders"},
		{"shop.Cart/Add", attrs{"rpc.system": "grpc", "rpc.service": "shop.Cart", "rpc.method": "Add"}, "shop.Cart/Add"},
		{"new RPC", attrs{"rpc.system.name": "grpc", "rpc.method": "shop.Cart/Add"}, "shop.Cart/Add"},
		{"m", attrs{"messaging.system": "kafka", "messaging.operation.name": "poll", "messaging.destination.name": "orders"}, "poll orders"},
		{"m", attrs{"messaging.operation.type": "receive", "messaging.destination.name": "reply-83231", "messaging.destination.template": "reply-{n}"}, "receive reply-{n}"},
		{"m", attrs{"messaging.operation": "process", "messaging.destination": "orders"}, "process orders"},
		{"GET", attrs{"http.request.method": "GET", "url.path": "/users/4711"}, "GET /users/{id}"},
		{"HTTP GET", attrs{"http.method": "GET", "http.target": "/users/4711?a=1"}, "GET /users/{id}"},
		{"GET", attrs{"http.request.method": "GET", "url.path": "/wp-admin.php", "http.response.status_code": "404"}, "GET"},
		{"GET", attrs{"http.request.method": "GET", "http.route": "/orders", "user_agent.synthetic.type": "test"}, "GET /orders (test)"},
		{"GET", attrs{"http.request.method": "GET", "http.route": "/orders", "user_agent.synthetic.type": "bot"}, "GET /orders (bot)"},
		{"GET", attrs{"http.request.method": "GET", "http.route": "/orders", "user_agent.synthetic.type": "run 4711"}, "GET /orders"},
		{"GET", attrs{"http.request.method": "GET", "http.route": "/" + strings.Repeat("o", maxName), "user_agent.synthetic.type": "test"}, "GET /" + strings.Repeat("o", maxName-len("GET / (test)")) + " (test)"},
		{"TripRepository.findAll", nil, "TripRepository.findAll"},
		{"", nil, "(unnamed)"},
		{"handle 550e8400-e29b-41d4-a716-446655440000", nil, "handle {id}"},
	}
	for _, tt := range tests {
		if got := cmp.Or(string(span(kindServer, tt.name, tt.a).operation().appendMasked(nil)), unnamed); got != tt.want {
			t.Errorf("%q %v: %q, want %q", tt.name, tt.a, got, tt.want)
		}
	}
}

func TestCalleeNames(t *testing.T) {
	tests := []struct {
		a    attrs
		want string
	}{
		{attrs{"peer.service": "cart", "server.address": "10.0.0.1"}, "cart"},
		{attrs{"server.address": "cart.shop.svc:8080"}, "cart.shop.svc"},
		{attrs{"net.peer.name": "cart"}, "cart"},
		{attrs{"url.full": "https://user@pay.example:443/v1/charge?id=3"}, "pay.example"},
		{attrs{"http.url": "http://pay"}, "pay"},
		{attrs{"db.system.name": "postgresql", "server.address": "db-1", "db.namespace": "orders"}, "postgresql db-1"},
		{attrs{"db.system": "mysql", "db.name": "ts"}, "mysql ts"},
		{attrs{"db.system": "redis"}, "redis"},
		{attrs{"messaging.system": "kafka", "messaging.destination.name": "orders", "server.address": "broker"}, "kafka orders"},
		{attrs{"rpc.service": "shop.Cart"}, "shop.Cart"},
		{attrs{"server.address": "10.2.3.4"}, "{ip}"},
		{attrs{"network.peer.address": "fe80::1"}, "{ip}"},
		{nil, ""},
	}
	for _, tt := range tests {
		if got := string(span(kindClient, "x", tt.a).callee().appendMasked(nil)); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.a, got, tt.want)
		}
	}
}

func TestResults(t *testing.T) {
	tests := []struct {
		kind   kind
		failed bool
		a      attrs
		want   result
	}{
		{kindServer, false, nil, succeeded},
		{kindServer, true, nil, failed},
		{kindServer, false, attrs{"http.response.status_code": "500"}, failed},
		{kindServer, false, attrs{"http.status_code": "503"}, failed},
		{kindServer, false, attrs{"http.response.status_code": "404"}, rejected},
		{kindServer, true, attrs{"http.response.status_code": "404"}, failed},
		{kindServer, false, attrs{"http.response.status_code": "302"}, succeeded},
		{kindServer, false, attrs{"http.response.status_code": "teapot"}, succeeded},
		{kindClient, false, attrs{"http.response.status_code": "404"}, succeeded},
		{kindClient, false, attrs{"http.response.status_code": "502"}, failed},
		{kindServer, false, attrs{"rpc.grpc.status_code": "0"}, succeeded},
		{kindServer, false, attrs{"rpc.grpc.status_code": "14"}, failed},
		{kindServer, false, attrs{"rpc.response.status_code": "UNAVAILABLE"}, failed},
		{kindServer, false, attrs{"rpc.status_code": "invalid_argument"}, rejected},
		{kindServer, false, attrs{"rpc.grpc.status_code": "16"}, rejected},
		{kindServer, false, attrs{"rpc.grpc.status_code": "1"}, succeeded},
		{kindClient, false, attrs{"rpc.grpc.status_code": "5"}, succeeded},
		{kindClient, false, attrs{"rpc.grpc.status_code": "4"}, failed},
	}
	for _, tt := range tests {
		d := span(tt.kind, "x", tt.a)
		d.failed = tt.failed
		if got := d.result(); got != tt.want {
			t.Errorf("kind %d, failed %v, %v: %d, want %d", tt.kind, tt.failed, tt.a, got, tt.want)
		}
	}
}

func TestMasks(t *testing.T) {
	for name, want := range map[string]string{
		"GET /orders/42":       "GET /orders/{id}",
		"/v1/api/s3/orders2go": "/v1/api/s3/orders2go",
		"/a/deadbeefcafe":      "/a/{id}",
		"/a/7f83b165":          "/a/{id}",
		"/facade/decade":       "/facade/decade",
		"/o/550e8400-e29b-41d4-a716-446655440000/items": "/o/{id}/items",
		"/s/eyJhbGciOiJIUzI1NiIsInR5cCI6":               "/s/{id}",
		"order-12345.json":                              "order-{id}.json",
		"/search?q=shoes&page=2":                        "/search",
		"/a;jsessionid=38A2/b x":                        "/a x",
		"10.1.2.3:8080":                                 "{ip}",
		"2024-05-01":                                    "{id}",
		"cart.shop-3.svc":                               "cart.shop-3.svc",
		"SELECT shop.orders":                            "SELECT shop.orders",
		"getUserByIdV2":                                 "getUserByIdV2",
		"AuthenticationService2Handler":                 "AuthenticationService2Handler",
		"a\nb":                                          "a b",
		"(*Server).Handle(0xc000123456)":                "(*Server).Handle(0xc000123456)",
	} {
		if got := masked(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func checkMask(t interface{ Fatalf(string, ...any) }, name string) {
	got := masked(name)
	if len(got) > maxName || !utf8.ValidString(got) {
		t.Fatalf("%q: %q has %d bytes, valid %v", name, got, len(got), utf8.ValidString(got))
	}
	if utf8.ValidString(name) && len(got) < maxName-4 && masked(got) != got {
		t.Fatalf("%q: %q, masked again %q", name, got, masked(got))
	}
}

func TestMaskProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkMask(t, rapid.StringMatching(`([a-z0-9A-F]{0,20}[/ .:?;{}-]){0,9}`).Draw(t, "name"))
		id := rapid.Uint64().Draw(t, "id")
		if got := masked(fmt.Sprintf("GET /orders/%d/x/%016x", id, id)); got != "GET /orders/{id}/x/{id}" {
			t.Fatalf("%d: %q", id, got)
		}
	})
}

func FuzzMask(f *testing.F) {
	for _, s := range []string{"GET /orders/42", "a;b?c#d", "fe80::1", "\xff\xfe/1", strings.Repeat("ü", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) { checkMask(t, name) })
}

func FuzzOperationName(f *testing.F) {
	f.Add("GET /orders/42", "GET", "/orders/42", "svc", "m", "topic")
	f.Fuzz(func(t *testing.T, name, method, path, service, rpc, topic string) {
		d := span(kindServer, name, attrs{"http.request.method": method, "url.path": path, "rpc.service": service, "rpc.method": rpc, "messaging.destination.name": topic})
		for _, got := range [][]byte{d.operation().appendMasked(nil), d.callee().appendMasked(nil)} {
			if len(got) > maxName || !utf8.Valid(got) {
				t.Errorf("%q has %d bytes, valid %v", got, len(got), utf8.Valid(got))
			}
		}
	})
}

const sha = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func TestNormalizeVersion(t *testing.T) {
	for raw, want := range map[string]string{
		"1.4.2": "1.4.2", " 1.4.2 ": "1.4.2", "v1.4.2": "v1.4.2", "1.4.2+build.7": "1.4.2+build.7",
		"shop/cart:1.4.2": "1.4.2", "cart:1.4.2": "1.4.2", "host:5000/shop/cart:1.4.2@" + sha: "1.4.2",
		"1.4.2@" + sha: "1.4.2", "latest@" + sha: "sha256:9f86d081884c", "cart@" + sha: "sha256:9f86d081884c",
		"host:5000/shop/cart@" + sha: "sha256:9f86d081884c", sha: "sha256:9f86d081884c", sha[7:]: "sha256:9f86d081884c",
		"sha256:9f86d081884c": "sha256:9f86d081884c", "docker.io/cart": "",
		"": "", "unknown": "", "latest": "", "$LATEST": "", "Dev": "", "${VERSION}": "", "{{ .Tag }}": "", "%VERSION%": "", "@project.version@": "", "cart:latest": "",
		"release/1.2": "release/1.2", "2024-01-01T10:20:30Z": "2024-01-01T10:20:30Z", "1.2-SNAPSHOT": "1.2-SNAPSHOT",
		"a94a8fe5ccb19ba61c4c0873d391e987982fbbd3": "a94a8fe5ccb1",
	} {
		if got := NormalizeVersion(raw); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}

func TestOneReleaseIsNotThree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tag := rapid.StringMatching(`v?[0-9]{1,3}\.[0-9]{1,3}(\.[0-9]{1,3})?(-[a-z]{1,5}\.[0-9])?`).Draw(t, "tag")
		image := rapid.StringMatching(`([a-z]{1,9}(\.[a-z]{2,3})?(:[0-9]{2,5})?/)?([a-z]{1,9}/)?[a-z][a-z0-9-]{0,9}`).Draw(t, "image")
		digest := "@sha256:" + rapid.StringMatching(`[0-9a-f]{64}`).Draw(t, "digest")
		for _, form := range []string{tag, tag + digest, image + ":" + tag, image + ":" + tag + digest} {
			if got := NormalizeVersion(form); got != tag {
				t.Fatalf("%q: %q, want %q", form, got, tag)
			}
		}
		for _, form := range []string{digest[1:], image + digest, "latest" + digest} {
			if got := NormalizeVersion(form); got != digest[1:20] && (strings.Contains(image, "/") || !strings.ContainsAny(image, "0123456789")) {
				t.Fatalf("%q: %q, want %q", form, got, digest[1:20])
			}
		}
	})
}

func FuzzNormalizeVersion(f *testing.F) {
	for _, s := range []string{"1.4.2", "a/b:c@" + sha, "@@", "sha256:", ":", "%a%", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := NormalizeVersion(raw)
		if again := NormalizeVersion(got); again != got || len(got) > maxVersion || !utf8.ValidString(got) {
			t.Errorf("%q: %q (%d bytes), again %q", raw, got, len(got), again)
		}
	})
}

func TestResources(t *testing.T) {
	tests := []struct {
		name                     string
		a                        attrs
		version, build, instance string
	}{
		{"service.version", attrs{"service.version": "1.2", "k8s.pod.name": "p", "service.instance.id": "i"}, "1.2", "", "p"},
		{"its build", attrs{"service.version": "1.2", "oci.manifest.digest": sha, "vcs.ref.head.revision": "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3"}, "1.2", "sha256:9f86d081884c", "unknown, build sha256:9f86d081884c"},
		{"digest in the version", attrs{"service.version": "1.2@" + sha}, "1.2", "sha256:9f86d081884c", "unknown, build sha256:9f86d081884c"},
		{"commit as build", attrs{"service.version": "1.0.0", "vcs.ref.head.revision": "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3"}, "1.0.0", "a94a8fe5ccb1", "unknown, build a94a8fe5ccb1"},
		{"tag", attrs{"service.version": "latest", "container.image.tags": "1.3", "service.instance.id": "i"}, "1.3", "", "i"},
		{"old tag", attrs{"container.image.tag": "1.3", "host.name": "h", "process.pid": "7"}, "1.3", "", "h/7"},
		{"digest", attrs{"container.image.repo_digests": "cart@" + sha, "host.name": "h"}, "sha256:9f86d081884c", "", "h"},
		{"image id", attrs{"container.image.id": sha, "container.id": "c"}, "sha256:9f86d081884c", "", "c"},
		{"commit", attrs{"vcs.ref.head.revision": "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3"}, "a94a8fe5ccb1", "", "unknown"},
		{"replica set", attrs{"k8s.replicaset.name": "cart-5c66d57d58", "k8s.pod.name": "cart-5c66d57d58-zxw8n"}, "5c66d57d58", "", "cart-5c66d57d58-zxw8n"},
		{"pod", attrs{"k8s.deployment.name": "cart", "k8s.pod.name": "cart-5c66d57d58-zxw8n"}, "5c66d57d58", "", "cart-5c66d57d58-zxw8n"},
		{"stateful set", attrs{"k8s.pod.name": "cart-0"}, "unknown", "", "cart-0"},
		{"label", attrs{"k8s.pod.label.app.kubernetes.io/version": "1.4", "k8s.replicaset.name": "cart-5c66d57d58", "k8s.pod.uid": "u", "host.name": "h", "process.pid": "1"}, "1.4", "", "u"},
		{"label by older rules", attrs{"k8s.deployment.labels.app.kubernetes.io/version": "1.4"}, "1.4", "", "unknown"},
		{"label as it is", attrs{"app.kubernetes.io/version": "1.4", "container.image.tag": "1.5"}, "1.5", "", "unknown"},
		{"another thing's label", attrs{"k8s.node.app.kubernetes.io/version": "1.30", "my.app.kubernetes.io/version": "2"}, "unknown", "", "unknown"},
		{"function", attrs{"faas.version": "26", "faas.instance": "2021/06/28/[$LATEST]2f399eb1"}, "26", "", "2021/06/28/[$LATEST]2f399eb1"},
		{"function without versions", attrs{"faas.version": "$LATEST", "git.commit.sha": "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3"}, "a94a8fe5ccb1", "", "unknown"},
		{"task", attrs{"aws.ecs.task.revision": "8", "aws.ecs.task.arn": "arn:aws:ecs:task/7"}, "8", "", "arn:aws:ecs:task/7"},
		{"a placeholder is better than nothing", attrs{"service.version": "dev"}, "dev", "", "unknown"},
	}
	for _, tt := range tests {
		var d resourceData
		d[serviceName] = "cart"
		for key, v := range tt.a {
			d[resourceFieldOf(key)] = v
		}
		id, err := d.identity()
		if err != nil || id.release.Version != tt.version || id.build != tt.build || id.instance.ID != tt.instance {
			t.Errorf("%s: version %q, build %q, instance %q (%v); want %q, %q, %q", tt.name, id.release.Version, id.build, id.instance.ID, err, tt.version, tt.build, tt.instance)
		}
	}
}
