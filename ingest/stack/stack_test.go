package stack

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// Traces as runtimes write them.
var traces = map[string]struct{ trace, want string }{
	"java": {`java.lang.IllegalStateException: no stock for 17
	at java.base/java.util.Optional.orElseThrow(Optional.java:403)
	at com.acme.shop.Stock.take(Stock.java:88)
	at com.acme.shop.Cart.lambda$add$3(Cart.java:41)
	at com.acme.shop.Cart$$EnhancerBySpringCGLIB$$8f2.add(<generated>)
	at org.springframework.web.servlet.DispatcherServlet.doDispatch(DispatcherServlet.java:1043) ~[spring-webmvc-5.3.9.jar:5.3.9]
	at app//com.acme.shop.Web$1.handle(Web.java:20)
	at com.acme.shop.Never.reached(Never.java:1)
`, "com.acme.shop.Stock.take < com.acme.shop.Cart.add < com.acme.shop.Web.handle"},
	"java, own code in the cause only": {`org.springframework.dao.DataAccessException: query
	at org.springframework.jdbc.JdbcTemplate.query(JdbcTemplate.java:1)
Caused by: java.sql.SQLException: no such table
	at com.acme.Db.read(Db.kt:5)
	... 12 more
`, "com.acme.Db.read"},
	"opentelemetry php": {`LogicException: empty
	at Acme.Shop.Cart.add(Cart.php:12)
	at Illuminate.Routing.Controller.callAction(Controller.php:54)
	at Acme.Shop.Web.index(Web.php:3)
`, "Acme.Shop.Cart.add < Acme.Shop.Web.index"},
	"dotnet": {`System.InvalidOperationException: Sequence contains no elements
   at System.Linq.ThrowHelper.ThrowNoElementsException()
   at Acme.Shop.Stock.Take[TItem](Int32 id, String name) in /src/Stock.cs:line 88
   at Acme.Shop.Cart.<AddAsync>d__7.MoveNext() in C:\src\Cart.cs:line 41
--- End of stack trace from previous location ---
   at Microsoft.AspNetCore.Mvc.Infrastructure.ActionMethodExecutor.Execute()
   at Acme.Shop.Web.<>c__DisplayClass3_0.<Map>b__0(HttpContext context)
`, "Acme.Shop.Stock.Take < Acme.Shop.Cart.AddAsync < Acme.Shop.Web.Map"},
	"node": {`TypeError: Cannot read properties of undefined (reading 'price')
    at Cart.add (/app/src/cart.js:12:34)
    at new Basket (file:///app/src/basket.mjs:3:5)
    at Layer.handle [as handle_request] (/app/node_modules/express/lib/router/layer.js:95:5)
    at async /app/src/web.js:7:11
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
`, "src/cart.js Cart.add < src/basket.mjs Basket < src/web.js"},
	"node, anonymous": {`Error: x
    at Object.<anonymous> (/srv/shop-1.2.3/index.js:1:7)
    at Module._compile (node:internal/modules/cjs/loader:1105:14)
    at Array.map (<anonymous>)
`, "index.js Object"},
	"python": {`Traceback (most recent call last):
  File "/usr/local/lib/python3.12/site-packages/flask/app.py", line 1473, in wsgi_app
    response = self.full_dispatch_request()
  File "/app/shop/web.py", line 20, in order
    cart.add(17)
  File "/app/shop/cart.py", line 41, in add
    stock.take(item)
  File "/app/shop/cart.py", line 41, in add
    stock.take(item)
  File "/app/shop/stock.py", line 88, in take
    raise KeyError(item)
KeyError: 17
`, "shop/stock.py take < shop/cart.py add < shop/web.py order"},
	"python, chained": {`Traceback (most recent call last):
  File "/app/shop/db.py", line 3, in read
    connect()
OSError: refused

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/shop/web.py", line 20, in order
    raise Unavailable() from None
shop.Unavailable
`, "shop/web.py order < shop/db.py read"},
	"go": {`goroutine 34 [running]:
runtime/debug.Stack()
	/usr/local/go/src/runtime/debug/stack.go:26 +0x5e
go.opentelemetry.io/otel/sdk/trace.(*recordingSpan).RecordError(0xc0001)
	/root/go/pkg/mod/go.opentelemetry.io/otel/sdk@v1.30.0/trace/span.go:480 +0x1d
panic({0x1?, 0x2?})
	/usr/local/go/src/runtime/panic.go:785 +0x132
github.com/acme/shop/stock.(*Stock[...]).Take(0xc0, {0x1, 0x2})
	/src/stock/stock.go:88 +0x25
main.main.func1.2()
	/src/main.go:41 +0x1d
net/http.HandlerFunc.ServeHTTP(0x1)
	net/http/server.go:2220 +0x29
created by net/http.(*Server).Serve in goroutine 1
	net/http/server.go:3360 +0x485

goroutine 1 [IO wait]:
github.com/acme/shop.Other()
	/src/other.go:1 +0x1
`, "github.com/acme/shop/stock.(*Stock).Take < main.main"},
	"ruby": {"/app/lib/stock.rb:88:in `take': no stock (Stock::Empty)\n" +
		"\tfrom /app/lib/cart.rb:41:in `block (2 levels) in add'\n" +
		"\tfrom /usr/local/bundle/gems/rack-3.0.0/lib/rack/builder.rb:1:in `call'\n" +
		"\tfrom <internal:kernel>:187:in `loop'\n" +
		"\tfrom /app/web.rb:5:in 'Web#order'\n", "lib/stock.rb take < lib/cart.rb add < app/web.rb Web#order"},
	"php": {`Exception: no stock in /app/src/Stock.php:88
Stack trace:
#0 /app/src/Cart.php(41): Acme\Stock->take(17)
#1 /app/vendor/laravel/framework/src/Route.php(5): Acme\Cart->add('a: b')
#2 [internal function]: Illuminate\Routing\Route->run()
#3 /app/public/index.php(12): array_map(Object(Closure), Array)
#4 {main}
`, `Acme\Stock::take < Acme\Cart::add`},
	"other":      {"panicked at src/main.rs:1:1:\nindex out of bounds", ""},
	"empty":      {"", ""},
	"only words": {"at the end of the day (nothing)", ""},
}

func TestPlace(t *testing.T) {
	for name, c := range traces {
		if got := Place(c.trace); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// Line numbers, addresses and the versions of libraries change with every build; places do not.
func TestPlacesDoNotDependOnTheBuild(t *testing.T) {
	for name, c := range traces {
		moved := strings.NewReplacer(":88", ":9", ":41", ":1042", "line 88", "line 7", "line 41", "line 2", "0xc0", "0xf1", "d__7", "d__12",
			"add$3", "add$11", "func1.2", "func7", "8f2", "77a", "5.3.9", "5.4.0").Replace(c.trace)
		if got := Place(moved); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestLongTracesAreReadInPart(t *testing.T) {
	java := "E: x\n" + strings.Repeat("\tat java.base/java.util.A.b(A.java:1)\n", 1<<16) + "\tat com.acme.A.b(A.java:1)\n"
	if got := Place(java); got != "" {
		t.Errorf("a frame beyond the bound was read: %q", got)
	}
	python := "Traceback (most recent call last):\n" + strings.Repeat("  File \"/app/a/b.py\", line 1, in c\n", 1<<16) + "  File \"/app/a/z.py\", line 1, in z\n"
	if got := Place(python); got != "a/z.py z < a/b.py c" {
		t.Errorf("the innermost frames, which stand last: %q", got)
	}
}

func FuzzPlace(f *testing.F) {
	for _, c := range traces {
		f.Add(c.trace)
	}
	f.Add("goroutine \n)\n")
	f.Add("at (")
	f.Add("#0 : (")
	f.Fuzz(func(t *testing.T, trace string) {
		got := Place(trace)
		if len(got) > maxFrames*(maxFrame+3) || !utf8.ValidString(got) || strings.Contains(got, "\n") {
			t.Errorf("%q", got)
		}
	})
}

func BenchmarkPlace(b *testing.B) {
	trace := traces["java"].trace
	b.ReportAllocs()
	for b.Loop() {
		Place(trace)
	}
}
