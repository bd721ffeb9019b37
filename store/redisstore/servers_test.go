package redisstore_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/alirefund/alirefund/store/redisstore"
)

// server is the Redis that most tests run on: ALIREFUND_TEST_REDIS, else the one at its
// usual port of this machine.
func server(t testing.TB) *redis.Client {
	t.Helper()
	where := os.Getenv("ALIREFUND_TEST_REDIS")
	if where == "" {
		where = "redis://127.0.0.1:6379/0"
	}
	options, err := redis.ParseURL(where)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Ping(t.Context()).Err(); err != nil {
		absent(t, "Redis", err)
	}
	return client
}

// absent ends a test whose server is not there: in continuous integration that is a
// failure, and elsewhere too, unless somebody asked for less.
func absent(t testing.TB, what string, err error) {
	t.Helper()
	if os.Getenv("CI") != "true" && os.Getenv("ALIREFUND_CONFORMANCE_SKIP") == "1" {
		t.Skipf("%s is not there: %v", what, err)
	}
	t.Fatalf("%s is not there (ALIREFUND_CONFORMANCE_SKIP=1 leaves it out): %v", what, err)
}

// open returns a store of the test's own, which is removed afterwards, and its prefix.
func open(t testing.TB, client redis.UniversalClient) (*redisstore.Store, string) {
	t.Helper()
	prefix := "test-" + rand.Text()
	s, err := redisstore.New(client, redisstore.Prefix(prefix))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, key := range keys(t, client, prefix) {
			if err := client.Del(context.Background(), key).Err(); err != nil {
				t.Error(err)
			}
		}
	})
	return s, prefix
}

// keys returns all keys of a store.
func keys(t testing.TB, client redis.UniversalClient, prefix string) (found []string) {
	t.Helper()
	scan := func(ctx context.Context, c *redis.Client) error {
		i := c.Scan(ctx, 0, "{"+prefix+"}:*", 1000).Iterator()
		for i.Next(ctx) {
			found = append(found, i.Val())
		}
		return i.Err()
	}
	var err error
	switch client := client.(type) {
	case *redis.Client:
		err = scan(context.Background(), client)
	case *redis.ClusterClient:
		slot, _ := client.MasterForKey(context.Background(), "{"+prefix+"}:")
		err = scan(context.Background(), slot)
	}
	if err != nil {
		t.Error(err)
	}
	return found
}

// own is a server of a test's own, which may be killed and started again.
type own struct {
	testing.TB
	*redis.Client
	port, dir string
	options   []string
	process   *exec.Cmd
}

// startServer starts a server that keeps its files in a folder of its own.
func startServer(t testing.TB, options ...string) *own {
	t.Helper()
	o := &own{TB: t, port: freePort(t), dir: t.TempDir(), options: options}
	// The server is on this machine: soon tried again, and for longer than it takes to start.
	o.Client = redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + o.port, MaxRetries: 20, MinRetryBackoff: 10 * time.Millisecond, MaxRetryBackoff: 200 * time.Millisecond})
	t.Cleanup(func() {
		_ = o.Close()
		o.kill()
	})
	o.start()
	return o
}

func (o *own) start() {
	o.Helper()
	o.process = exec.Command("redis-server", append([]string{"--port", o.port, "--bind", "127.0.0.1", "--dir", o.dir, "--save", "", "--logfile", "log"}, o.options...)...)
	if err := o.process.Start(); err != nil {
		absent(o, "redis-server", err)
	}
	eventually(o, "the server does not start", func(ctx context.Context) bool { return o.Ping(ctx).Err() == nil })
}

// impatient returns a client that tries nothing again.
func (o *own) impatient() *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + o.port, MaxRetries: -1})
	o.Cleanup(func() { _ = client.Close() })
	return client
}

// kill is SIGKILL.
func (o *own) kill() {
	_ = o.process.Process.Kill()
	_ = o.process.Wait()
}

// eventually waits, half a minute at most, until something is so.
func eventually(t testing.TB, otherwise string, is func(ctx context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for !is(ctx) {
		select {
		case <-ctx.Done():
			t.Fatal(otherwise)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func freePort(t testing.TB) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// startCluster starts three masters, which share the slots.
func startCluster(t testing.TB) *redis.ClusterClient {
	t.Helper()
	const nodes, slots = 3, 16384
	var all [nodes]*own
	var addresses []string
	var buses [nodes]string
	for n := range all {
		buses[n] = freePort(t)
		all[n] = startServer(t, "--cluster-enabled", "yes", "--cluster-port", buses[n], "--cluster-node-timeout", "5000")
		addresses = append(addresses, "127.0.0.1:"+all[n].port)
		if err := all[n].ClusterAddSlotsRange(t.Context(), n*slots/nodes, (n+1)*slots/nodes-1).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range all[1:] {
		if err := node.Do(t.Context(), "CLUSTER", "MEET", "127.0.0.1", all[0].port, buses[0]).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range all {
		eventually(t, "the nodes do not make a cluster", func(ctx context.Context) bool {
			info, _ := node.ClusterInfo(ctx).Result()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprint("cluster_known_nodes:", nodes))
		})
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addresses})
	t.Cleanup(func() { _ = client.Close() })
	return client
}
