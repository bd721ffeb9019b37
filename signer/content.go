package signer

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"strings"
)

// ContentKey encrypts and decrypts the content of requests and answers
// (encrypt_type=AES): AES-128 in CBC mode with PKCS#7 padding and, by Alipay's
// rule, an initialization vector of zeros, written in base64. It does not
// authenticate: a request is signed after its content was encrypted, and an
// answer is verified before it is decrypted. Source: opendocs, "content
// encryption" (接口内容加密); checked on values of Alipay's SDKs.
//
// It is safe for concurrent use. nil and the zero ContentKey encrypt to nothing
// and decrypt nothing.
type ContentKey struct {
	block cipher.Block
}

// ContentKeyFromBase64 reads the AES key of the console's 接口内容加密: 16
// bytes in base64. It fails with [ErrKey].
func ContentKeyFromBase64(text string) (*ContentKey, error) {
	key, ok := fromBase64(strings.TrimPrefix(text, "\ufeff"))
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: the content key is not base64", ErrKey)
	case len(key) != 16:
		return nil, fmt.Errorf("%w: the content key has %d bytes, and 16 are wanted", ErrKey, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("%w: the content key: %w", ErrKey, err)
	}
	return &ContentKey{block: block}, nil
}

// Encrypt returns plain, encrypted, in base64. It does not change plain.
func (k *ContentKey) Encrypt(plain []byte) string {
	if k == nil || k.block == nil {
		return ""
	}
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	data := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(padding)}, padding)...)
	var zeros [aes.BlockSize]byte
	cipher.NewCBCEncrypter(k.block, zeros[:]).CryptBlocks(data, data)
	return base64.StdEncoding.EncodeToString(data)
}

// Decrypt returns what [ContentKey.Encrypt] was given. Verify the text first. It
// fails with [ErrContent].
func (k *ContentKey) Decrypt(text string) ([]byte, error) {
	if k == nil || k.block == nil {
		return nil, fmt.Errorf("%w: there is no content key", ErrContent)
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: it is not base64", ErrContent)
	}
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("%w: %d bytes are not whole blocks", ErrContent, len(data))
	}
	var zeros [aes.BlockSize]byte
	cipher.NewCBCDecrypter(k.block, zeros[:]).CryptBlocks(data, data)
	padding := int(data[len(data)-1])
	if padding < 1 || padding > aes.BlockSize || bytes.Count(data[len(data)-padding:], data[len(data)-1:]) != padding {
		return nil, fmt.Errorf("%w: its padding is wrong (another content key?)", ErrContent)
	}
	return data[:len(data)-padding], nil
}
