package signer_test

import (
	"errors"
	"fmt"

	"github.com/alirefund/alirefund/signer"
)

// The console shows keys as one bare line of base64; PEM does as well.
func Example() {
	appPrivateKey, alipayPublicKey := bare(pkcs8(appKey())), bare(spki(&alipayKey().PublicKey))

	sign, err := signer.FromPEM(appPrivateKey)
	if err != nil {
		fmt.Println(err)
		return
	}
	verify, err := signer.VerifierFromPEM(alipayPublicKey)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("one application's:", signer.Pair(sign, verify) == nil)

	text := signer.AppendText(nil, []signer.Param{
		{Key: "method", Value: "alipay.trade.refund"},
		{Key: "app_id", Value: "2021000000000001"},
		{Key: "sign_type", Value: "RSA2"},
	}, 0)
	signature, err := sign.Sign(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\nsigned in %d characters\n", text, len(signature))

	fmt.Println(verify.Verify(text, signature)) // Alipay did not sign it
	// Output:
	// one application's: true
	// app_id=2021000000000001&method=alipay.trade.refund&sign_type=RSA2
	// signed in 344 characters
	// signer: the signature does not match under any of 1 public keys
}

func ExampleVerifierFromPEM() {
	_, err := signer.VerifierFromPEM(bare(pkcs8(appKey())))
	fmt.Println(err)

	_, err = signer.VerifierFromPEM("/etc/alipay/public-key.pem")
	fmt.Println(err)
	// Output:
	// signer: unusable key: this is a private key, and Alipay's public key is wanted
	// signer: unusable key: it is neither PEM nor base64 (a stray character, or cut off while copying?)
}

func ExamplePair() {
	sign, _ := signer.New(appKey())
	verify, _ := signer.NewVerifier(&appKey().PublicKey)
	fmt.Println(signer.Pair(sign, verify))
	// Output:
	// signer: this is the application's own public key; Alipay's public key belongs here (console: 查看支付宝公钥)
}

// The three files of certificate mode, and a new key of the application's while
// it runs.
func ExampleVerifierFromCertificates() {
	w := newWorld()
	alipayCertPublicKey, alipayRootCert := w.files()
	appPrivateKey, appCertPublicKey := bare(pkcs8(appKey())), pemOf(w.app)

	sign, _ := signer.FromPEM(appPrivateKey)
	sign, err := sign.WithCertificate(appCertPublicKey)
	if err != nil {
		fmt.Println(err)
		return
	}
	verify, err := signer.VerifierFromCertificates(alipayCertPublicKey, alipayRootCert)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("one application's:", signer.Pair(sign, verify) == nil)
	fmt.Println(len(sign.CertificateSN()), len(verify.RootSN()), "characters")

	_, err = signer.VerifierFromCertificates(alipayRootCert, alipayCertPublicKey)
	fmt.Println(err)

	next, _ := signer.New(nextKey())
	_, err = next.WithCertificate(appCertPublicKey) // the one before the change
	fmt.Println(errors.Is(err, signer.ErrKey))
	next, _ = next.WithCertificate(pemOf(w.middle.issue(appName, &nextKey().PublicKey)))
	sign.Switch(next)
	fmt.Println("switched:", sign.Public().Equal(&nextKey().PublicKey))
	// Output:
	// one application's: true
	// 32 32 characters
	// signer: unusable certificate: the root certificates: there is no root in it (alipayRootCert.crt belongs here)
	// true
	// switched: true
}

// Verify an answer first; what is decrypted then is what Alipay signed.
func ExampleContentKey() {
	content, err := signer.ContentKeyFromBase64("AAECAwQFBgcICQoLDA0ODw==") // console: 接口内容加密方式
	if err != nil {
		fmt.Println(err)
		return
	}
	text := content.Encrypt([]byte(`{"out_trade_no":"T1"}`))
	plain, err := content.Decrypt(text)
	fmt.Println(len(text), string(plain), err)

	_, err = content.Decrypt(`{"code":"40004"}`) // Alipay's refusals may come plain
	fmt.Println(err)
	// Output:
	// 44 {"out_trade_no":"T1"} <nil>
	// signer: the content cannot be decrypted: it is not base64
}

// The text that is signed: sorted by name, values as they are. A request's has sign_type,
// a notification's has not.
func ExampleAppendText() {
	params := []signer.Param{{Key: "method", Value: "alipay.trade.refund"}, {Key: "app_id", Value: "2021000000000001"}, {Key: "sign_type", Value: "RSA2"}}
	fmt.Printf("%s\n", signer.AppendText(nil, params, signer.WithoutSignType))
	// Output: app_id=2021000000000001&method=alipay.trade.refund
}
