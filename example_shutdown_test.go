package alirefund_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// How a process stops: it leaves the balancer first, and then ends what it has begun.
func ExampleModule_Drain() {
	m := exampleModule()
	r := gin.New()
	m.MountRefunds(r.Group("/alipay"), func(c *gin.Context) { alirefund.SetActor(c, "staff") })
	m.MountNotify(r.Group("/alipay"))
	r.GET("/readyz", m.Ready)

	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}
	go func() { _ = server.Serve(listener) }()
	running, stopRun := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { m.Run(running) })
	ready := func() int {
		answer := httptest.NewRecorder()
		r.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return answer.Code
	}
	fmt.Println("while it serves:", ready())

	// On SIGTERM, within the grace of whoever kills:
	ending, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	m.Drain()
	fmt.Println("while it drains:", ready())
	<-time.After(time.Millisecond) // 10 s, until the balancer has seen it
	err = server.Shutdown(ending)  // what is in flight ends
	stopRun()
	run.Wait() // within Times.Grace; what waits is given back
	fmt.Println(err, m.Close(ending))
	// Now the database may be closed.

	// Output:
	// while it serves: 200
	// while it drains: 503
	// <nil> <nil>
}

// exampleModule is a module against the fake.
func exampleModule() *alirefund.Module {
	alipay := alipaytest.New(alipaytest.Config{})
	sign, err := signer.FromPEM(alipay.AppPrivateKey())
	if err != nil {
		panic(err)
	}
	verify, err := signer.VerifierFromPEM(alipay.AlipayPublicKey())
	if err != nil {
		panic(err)
	}
	m, err := alirefund.New(alirefund.Config{
		App:   alirefund.App{ID: alipay.AppID(), Signer: sign, Verifier: verify},
		Store: store.NewMemory(), Gateway: alipaytest.GatewayURL, HTTPClient: alipay.HTTPClient(),
	})
	if err != nil {
		panic(err)
	}
	return m
}
