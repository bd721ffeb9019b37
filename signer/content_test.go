package signer_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/internal/vectors"
	"github.com/alirefund/alirefund/signer"
)

const contentKey = "AAECAwQFBgcICQoLDA0ODw==" // 0 to 15

func TestContentOfOtherSDKs(t *testing.T) {
	t.Parallel()
	for _, v := range vectors.Load(t, "aes") {
		var file struct {
			Items []struct {
				Key, Alg, Ciphertext string
				Plaintext            *string
				Contains             string `json:"plaintext_contains"`
			}
		}
		if err := json.Unmarshal(v.File, &file); err != nil {
			t.Fatal(err)
		}
		tried := 0
		for _, item := range file.Items {
			k := must(signer.ContentKeyFromBase64(item.Key))
			plain, err := k.Decrypt(item.Ciphertext)
			if item.Alg != "AES" {
				if err == nil && item.Plaintext != nil && string(plain) == *item.Plaintext {
					t.Errorf("%s was decrypted as AES", item.Alg)
				}
				continue
			}
			tried++
			if err != nil || item.Plaintext != nil && string(plain) != *item.Plaintext || !strings.Contains(string(plain), item.Contains) {
				t.Errorf("%s: another content, or %v", item.Ciphertext, err)
			}
			if got := k.Encrypt(plain); got != item.Ciphertext {
				t.Errorf("encrypted again: %s, want %s", got, item.Ciphertext)
			}
		}
		if tried == 0 {
			t.Errorf("%s has no value of AES", v.Name)
		}
	}
}

func TestContent(t *testing.T) {
	t.Parallel()
	k := must(signer.ContentKeyFromBase64(contentKey))
	for n := range 50 {
		plain := bytes.Repeat([]byte{byte(n)}, n)
		kept := bytes.Clone(plain)
		text := k.Encrypt(plain)
		if !bytes.Equal(plain, kept) {
			t.Fatalf("%d bytes: Encrypt changed its argument", n)
		}
		if raw := must(base64.StdEncoding.DecodeString(text)); len(raw) != (n/16+1)*16 {
			t.Errorf("%d bytes: %d encrypted", n, len(raw))
		}
		if got, err := k.Decrypt(text); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %x, %v", n, got, err)
		}
	}
	// Encrypt writes nothing into what lies behind its argument.
	behind := []byte("0123456789 behind")
	k.Encrypt(behind[:10])
	if string(behind) != "0123456789 behind" {
		t.Errorf("Encrypt wrote %q", behind)
	}
}

// blocks encrypts whole blocks without any padding of its own.
func blocks(data []byte) string {
	key := must(base64.StdEncoding.DecodeString(contentKey))
	data = bytes.Clone(data)
	cipher.NewCBCEncrypter(must(aes.NewCipher(key)), make([]byte, 16)).CryptBlocks(data, data)
	return base64.StdEncoding.EncodeToString(data)
}

func TestDecryptRefuses(t *testing.T) {
	t.Parallel()
	k := must(signer.ContentKeyFromBase64(contentKey))
	good := k.Encrypt([]byte(`{"code":"10000"}`))
	raw := must(base64.StdEncoding.DecodeString(good))
	ending := func(tail ...byte) string { return blocks(append(make([]byte, 16-len(tail)), tail...)) }
	for name, c := range map[string]struct {
		k          *signer.ContentKey
		text, want string
	}{
		"empty":              {k, "", "0 bytes are not whole blocks"},
		"not base64":         {k, `{"code":"10000"}`, "it is not base64"},
		"with its quotes":    {k, `"` + good + `"`, "it is not base64"},
		"slashes escaped":    {k, good[:4] + `\/` + good[4:], "it is not base64"},
		"not whole base64":   {k, good[:43], "it is not base64"},
		"one byte short":     {k, base64.StdEncoding.EncodeToString(raw[:31]), "31 bytes are not whole blocks"},
		"the last block off": {k, base64.StdEncoding.EncodeToString(raw[:16]), "its padding is wrong"},
		"padding 0":          {k, ending(0), "its padding is wrong"},
		"padding 17":         {k, ending(17), "its padding is wrong"},
		"padding 255":        {k, ending(255), "its padding is wrong"},
		"padding uneven":     {k, ending(3, 2, 3), "its padding is wrong"},
		"padding too short":  {k, ending(2), "its padding is wrong"},
		"nil key":            {nil, good, "there is no content key"},
		"zero key":           {&signer.ContentKey{}, good, "there is no content key"},
	} {
		plain, err := c.k.Decrypt(c.text)
		if plain != nil || !errors.Is(err, signer.ErrContent) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v; want ErrContent with %q", name, plain, err, c.want)
		}
	}
	for name, text := range map[string]string{"1": ending(1), "2": ending(2, 2), "16": blocks(bytes.Repeat([]byte{16}, 16))} {
		if _, err := k.Decrypt(text); err != nil {
			t.Errorf("padding %s: %v", name, err)
		}
	}
	if (*signer.ContentKey)(nil).Encrypt([]byte("a")) != "" || (&signer.ContentKey{}).Encrypt([]byte("a")) != "" {
		t.Error("something is encrypted without a key")
	}
}

func TestContentKeyFromBase64(t *testing.T) {
	t.Parallel()
	for way, text := range mangled(contentKey) {
		k, err := signer.ContentKeyFromBase64(text)
		if err != nil || k.Encrypt(nil) != must(signer.ContentKeyFromBase64(contentKey)).Encrypt(nil) {
			t.Errorf("%s: %v", way, err)
		}
	}
	for name, c := range map[string][2]string{
		"empty":       {"", "has 0 bytes, and 16 are wanted"},
		"15 bytes":    {base64.StdEncoding.EncodeToString(make([]byte, 15)), "has 15 bytes"},
		"17 bytes":    {base64.StdEncoding.EncodeToString(make([]byte, 17)), "has 17 bytes"},
		"24 bytes":    {base64.StdEncoding.EncodeToString(make([]byte, 24)), "has 24 bytes"},
		"32 bytes":    {base64.StdEncoding.EncodeToString(make([]byte, 32)), "has 32 bytes"},
		"hexadecimal": {strings.Repeat("0f", 16), "has 24 bytes"},
		"not base64":  {"请填写密钥", "is not base64"},
	} {
		k, err := signer.ContentKeyFromBase64(c[0])
		if k != nil || !errors.Is(err, signer.ErrKey) || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v; want ErrKey with %q", name, err, c[1])
		}
	}
}

// However a key is printed, it is not shown.
func TestContentKeyIsNotPrinted(t *testing.T) {
	t.Parallel()
	k := must(signer.ContentKeyFromBase64(contentKey))
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		for _, value := range []any{k, *k, struct{ Key *signer.ContentKey }{k}} {
			text := strings.ToLower(fmt.Sprintf(format, value))
			if strings.Contains(text, "0001020304") || strings.Contains(text, "0 1 2 3 4") || strings.Contains(text, "0x0, 0x1, 0x2, 0x3") {
				t.Errorf("%s: %s", format, text)
			}
		}
	}
}
