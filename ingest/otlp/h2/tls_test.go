package h2

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// certificate makes one that signs itself, for both ends.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func TestTLS(t *testing.T) {
	cert, roots := certificate(t)
	s, addr := serve(t, 10*time.Millisecond, func(o *Options) {
		o.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert}
	})
	known := grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}}))
	cc := dial(t, addr, known)
	for range 3 {
		if out, err := invoke(t.Context(), cc, "/s/Echo", make([]byte, 1<<20)); err != nil || len(out) != 1<<20 {
			t.Errorf("%d bytes came back, %v", len(out), err)
		}
		s.until(t, "small again", small)
	}
	stranger := grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots}))
	if _, err := invoke(t.Context(), dial(t, addr, stranger), "/s/Echo", nil); status.Code(err) != codes.Unavailable {
		t.Errorf("without a certificate: %v", err)
	}
	nc, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}}) // without ALPN
	if err == nil {
		defer nc.Close()
		_, err = nc.Read(make([]byte, 100))
	}
	if err == nil {
		t.Error("who does not ask for HTTP/2 is served")
	}
	plain := bare(t, addr)
	plain.send([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	if a := plain.read(0); !a.over {
		t.Errorf("plain text: %v", a)
	}
	if a := bare(t, addr).read(0); !a.over {
		t.Errorf("no handshake: %v", a)
	}
}
