package stack

import "strings"

// foreignFolders are folders that hold what others wrote.
var foreignFolders = []string{
	"/node_modules/", "/site-packages/", "/dist-packages/", "/lib/python3", "/gems/", "/lib/ruby/", "/rubygems/",
	"/vendor/", "/pkg/mod/", "/usr/local/go/src/", "/usr/lib/go", "/libexec/src/",
}

// foreignFiles begin what runtimes write instead of a path.
var foreignFiles = []string{"node:", "internal/", "<", "[internal", "native "}

// foreignPackages begin the names of runtimes, of frameworks and of libraries in
// wide use, by language.
var foreignPackages = map[language][]string{
	jvm: {
		"java.", "javax.", "jakarta.", "jdk.", "sun.", "com.sun.", "kotlin.", "kotlinx.", "scala.", "groovy.", "clojure.",
		"org.codehaus.", "org.springframework.", "org.apache.", "org.eclipse.", "org.hibernate.", "org.jboss.", "org.glassfish.",
		"org.postgresql.", "org.mariadb.", "org.h2.", "org.slf4j.", "org.aspectj.", "org.jetbrains.", "org.redisson.", "org.mongodb.",
		"org.elasticsearch.", "org.thymeleaf.", "io.netty.", "io.grpc.", "io.opentelemetry.", "io.micrometer.", "io.micronaut.",
		"io.quarkus.", "io.smallrye.", "io.vertx.", "io.undertow.", "io.reactivex.", "io.lettuce.", "io.ktor.", "io.helidon.",
		"io.dropwizard.", "reactor.", "rx.", "akka.", "play.", "cats.", "zio.", "com.google.", "com.fasterxml.", "com.zaxxer.",
		"com.mysql.", "com.mongodb.", "com.microsoft.", "com.azure.", "com.amazonaws.", "software.amazon.", "com.netflix.",
		"com.rabbitmq.", "com.datastax.", "oracle.", "feign.", "okhttp3.", "okio.", "retrofit2.", "redis.clients.", "ch.qos.",
		"net.bytebuddy.", "net.sf.cglib.", "brave.", "Illuminate.", "Symfony.", "GuzzleHttp.", "Doctrine.", "OpenTelemetry.",
	},
	dotnet: {
		"System.", "Microsoft.", "MS.", "Windows.", "Grpc.", "Google.", "Npgsql.", "MySql.", "MySqlConnector.", "MongoDB.",
		"StackExchange.", "RabbitMQ.", "Confluent.", "Newtonsoft.", "OpenTelemetry.", "Serilog.", "NLog.", "Polly.", "MassTransit.",
		"MediatR.", "AutoMapper.", "Autofac.", "Castle.", "Dapper.", "Azure.", "Amazon.", "Hangfire.", "Orleans.", "FluentValidation.",
	},
	php: {"Illuminate\\", "Symfony\\", "GuzzleHttp\\", "Doctrine\\", "OpenTelemetry\\", "Laravel\\", "Composer\\"},
}

// goRuntime are the first parts of the import paths of Go's standard library.
var goRuntime = map[string]bool{
	"archive": true, "bufio": true, "bytes": true, "cmp": true, "compress": true, "container": true, "context": true, "crypto": true,
	"database": true, "debug": true, "encoding": true, "errors": true, "expvar": true, "fmt": true, "hash": true, "html": true,
	"image": true, "internal": true, "io": true, "iter": true, "log": true, "maps": true, "math": true, "mime": true, "net": true,
	"os": true, "path": true, "plugin": true, "reflect": true, "regexp": true, "runtime": true, "slices": true, "sort": true,
	"strconv": true, "strings": true, "sync": true, "syscall": true, "testing": true, "text": true, "time": true, "unicode": true,
	"unique": true, "unsafe": true, "vendor": true,
}

// own says that a frame is of the program itself, as far as its file or its name tell.
func (f frame) own() bool {
	if f.function == "" && f.file == "" || f.function == "{main}" {
		return false
	}
	file := strings.ReplaceAll(f.file, `\`, "/")
	for _, folder := range foreignFolders {
		if strings.Contains(file, folder) || strings.HasPrefix(file, folder[1:]) {
			return false
		}
	}
	for _, begin := range foreignFiles {
		if strings.HasPrefix(file, begin) {
			return false
		}
	}
	for _, begin := range foreignPackages[f.language] {
		if strings.HasPrefix(f.function, begin) {
			return false
		}
	}
	switch f.language {
	case golang:
		return f.ownGo()
	case node:
		return file != ""
	}
	return true
}

// ownGo says that a Go function is neither of the standard library nor of another
// module: with -trimpath the files of these carry their version.
func (f frame) ownGo() bool {
	path := f.function
	slash := strings.LastIndexByte(path, '/')
	dot := strings.IndexByte(path[slash+1:], '.')
	if dot < 0 {
		return false // panic(…)
	}
	first, _, _ := strings.Cut(path[:slash+1+dot], "/")
	return !goRuntime[first] && !strings.Contains(f.file, "@v")
}
