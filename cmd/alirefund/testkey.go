package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/alirefund/alirefund/signer"
)

// testingKey is the PEM label of keys that are for tests alone.
const testingKey = "TESTING KEY"

// The files of a test pair.
const (
	privateName = "alipay-test-private.pem"
	publicName  = "alipay-test-public.pem"
)

// makeKeys makes a test pair in a folder, and returns the private file's name.
// It overwrites nothing.
func makeKeys(folder string) (private string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	private = filepath.Join(folder, privateName)
	if err := writeNew(private, pem.EncodeToMemory(&pem.Block{Type: testingKey, Bytes: der})); err != nil {
		return "", err
	}
	return private, writeNew(filepath.Join(folder, publicName), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
}

func writeNew(name string, data []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the user's own choice
	if err != nil {
		return err
	}
	if _, err := file.Write(data); err != nil {
		_ = file.Close() // the first error counts
		return err
	}
	return file.Close()
}

// testSigner reads a private key, and refuses it unless its label says that it
// is for tests: a real key has no business in a command line.
func testSigner(name string) (*signer.Signer, error) {
	text, err := os.ReadFile(name) //nolint:gosec // the user's own choice
	if err != nil {
		return nil, err
	}
	_, rest, found := strings.Cut(string(text), "-----BEGIN ")
	if label, _, _ := strings.Cut(rest, "-----"); !found || !strings.HasSuffix(label, testingKey) {
		return nil, fmt.Errorf("%s is not marked as a test key (-----BEGIN %s-----), and production keys are refused; -new-keys makes a pair", name, testingKey)
	}
	sign, err := signer.FromPEM(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return sign, nil
}
