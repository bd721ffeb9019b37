//go:build cgo

package vault_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ThalesGroup/crypto11"

	"github.com/alirefund/alirefund/signer"
)

// tokenSigner signs with a key in a PKCS#11 token, which is found by its label.
// Close the token when nothing signs any more.
func tokenSigner(library, token, pin, label string) (*signer.Signer, io.Closer, error) {
	vault, err := crypto11.Configure(&crypto11.Config{Path: library, TokenLabel: token, Pin: pin})
	if err != nil {
		return nil, nil, err
	}
	key, err := vault.FindKeyPair(nil, []byte(label))
	if err == nil && key == nil {
		err = errors.New("the token holds no such key")
	}
	if err != nil {
		return nil, nil, errors.Join(err, vault.Close())
	}
	sign, err := signer.New(key)
	return sign, vault, err
}

// The key is made in the token, cannot be read from it, and signs refunds, several
// at once.
func TestRefundSignedByAToken(t *testing.T) {
	library := softHSM(t)
	const token, pin = "alirefund", "1234"
	run(t, "softhsm2-util", "--init-token", "--free", "--label", token, "--pin", pin, "--so-pin", pin)
	makeKey(t, library, token, pin, "refunds")

	sign, vault, err := tokenSigner(library, token, pin, "refunds")
	if err != nil {
		t.Fatal(err)
	}
	defer vault.Close()
	open(t, sign, false).refund(t, 20)
	open(t, sign, true).refund(t, 20)

	if _, _, err := tokenSigner(library, token, pin, "another"); err == nil {
		t.Error("a key that is not there was found")
	}
}

// makeKey makes a key as an administrator would.
func makeKey(t *testing.T, library, token, pin, label string) {
	t.Helper()
	vault, err := crypto11.Configure(&crypto11.Config{Path: library, TokenLabel: token, Pin: pin})
	if err != nil {
		t.Fatal(err)
	}
	defer vault.Close()
	key, err := vault.GenerateRSAKeyPairWithLabel([]byte{1}, []byte(label), 2048)
	if err != nil {
		t.Fatal(err)
	}
	extractable, err := vault.GetAttribute(key, crypto11.CkaExtractable)
	if err != nil || len(extractable.Value) != 1 || extractable.Value[0] != 0 {
		t.Errorf("the key may be extracted from the token: %v, %v", extractable, err)
	}
	if value, err := vault.GetAttribute(key, crypto11.CkaPrivateExponent); err == nil {
		t.Errorf("the token gave away %d bytes of its key", len(value.Value))
	}
}

// softHSM sets up a place for tokens that is empty, and returns SoftHSM's library.
func softHSM(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	settings := filepath.Join(folder, "softhsm2.conf")
	if err := os.WriteFile(settings, fmt.Appendf(nil, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", folder), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", settings)
	for _, library := range []string{
		os.Getenv("SOFTHSM2_LIBRARY"),
		"/usr/lib/softhsm/libsofthsm2.so",
		"/usr/lib64/softhsm/libsofthsm.so",
		"/usr/local/lib/softhsm/libsofthsm2.so",
		"/opt/homebrew/lib/softhsm/libsofthsm2.so",
	} {
		if _, err := os.Stat(library); err == nil {
			return library
		}
	}
	missing(t, "SoftHSM is not installed (Debian's package softhsm2; SOFTHSM2_LIBRARY names its library)")
	return ""
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}
