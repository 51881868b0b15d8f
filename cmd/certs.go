package cmd

import (
	"crypto/x509"
	"fmt"
	"os"
)

// certPool reads the certificates of a PEM file.
func certPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read client authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read client authorities: %s holds no certificate", file)
	}
	return pool, nil
}
