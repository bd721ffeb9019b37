package conformance

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	wm "github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	wmnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/contrib/watermill"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// brokers are real ones, on this machine, each with a publisher as a host would have it.
// What is published goes by way of an address that can be cut.
var brokers = []struct {
	name, address string
	publisher     func(address, topic string) (message.Publisher, error)
	subscriber    func(address, topic string) (message.Subscriber, error)
	remove        func(address, topic string) error
}{
	{
		"RabbitMQ", "127.0.0.1:5672",
		func(address, _ string) (message.Publisher, error) { return amqp.NewPublisher(rabbit(address), nop) },
		func(address, _ string) (message.Subscriber, error) { return amqp.NewSubscriber(rabbit(address), nop) },
		func(address, topic string) error {
			conn, err := amqp091.Dial("amqp://guest:guest@" + address + "/")
			if err != nil {
				return err
			}
			defer conn.Close()
			channel, err := conn.Channel()
			if err == nil {
				_, err = channel.QueueDelete(topic, false, false, false)
			}
			return err
		},
	},
	{
		"NATS JetStream", "127.0.0.1:4222",
		func(address, _ string) (message.Publisher, error) {
			return wmnats.NewPublisher(wmnats.PublisherConfig{
				URL: "nats://" + address, Marshaler: &wmnats.NATSMarshaler{},
				NatsOptions: []nats.Option{nats.ReconnectWait(200 * time.Millisecond), nats.MaxReconnects(-1)},
				JetStream:   wmnats.JetStreamConfig{AutoProvision: true, TrackMsgId: true},
			}, nop)
		},
		func(address, topic string) (message.Subscriber, error) {
			return wmnats.NewSubscriber(wmnats.SubscriberConfig{
				URL: "nats://" + address, Unmarshaler: &wmnats.NATSMarshaler{},
				JetStream: wmnats.JetStreamConfig{AutoProvision: true, DurablePrefix: topic},
			}, nop)
		},
		func(address, topic string) error {
			conn, err := nats.Connect("nats://" + address)
			if err != nil {
				return err
			}
			defer conn.Close()
			stream, err := conn.JetStream()
			if err == nil {
				err = stream.DeleteStream(topic)
			}
			return err
		},
	},
	{
		"Redis Streams", "127.0.0.1:6379",
		func(address, _ string) (message.Publisher, error) {
			return redisstream.NewPublisher(redisstream.PublisherConfig{Client: redis.NewClient(&redis.Options{Addr: address})}, nop)
		},
		func(address, topic string) (message.Subscriber, error) {
			return redisstream.NewSubscriber(redisstream.SubscriberConfig{Client: redis.NewClient(&redis.Options{Addr: address}), ConsumerGroup: topic, OldestId: "0"}, nop)
		},
		func(address, topic string) error {
			client := redis.NewClient(&redis.Options{Addr: address})
			defer client.Close()
			return client.Del(context.Background(), topic).Err()
		},
	},
}

var nop = wm.NopLogger{}

func rabbit(address string) amqp.Config {
	c := amqp.NewDurableQueueConfig("amqp://guest:guest@" + address + "/")
	c.Publish.ConfirmDelivery = true
	return c
}

// Every event comes to its consumers, whatever the broker's state is when it becomes due:
// it may be gone from before the first refund, or in the middle of one.
func TestBrokerIsDownForAWhile(t *testing.T) {
	for _, b := range brokers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			topic := "alirefund-" + strings.ToLower(rand.Text()[:12])
			cut := newCut(t, b.address)
			subscriber := must(b.subscriber(b.address, topic))
			defer subscriber.Close()
			defer func() {
				if err := b.remove(b.address, topic); err != nil {
					t.Error(err)
				}
			}()
			messages := must(subscriber.Subscribe(t.Context(), topic)) // the queue is there before anything is published
			publisher := must(b.publisher(cut.address, topic))
			defer publisher.Close()

			s := shoptest.NewShop(t, func(c *alirefund.Config) {
				c.Logger = slog.New(slog.DiscardHandler)
				c.Subscribers = must(watermill.Subscribers(watermill.Config{
					Publisher: publisher, Acknowledged: true, Topic: topic, Source: "/shop/alirefund", Events: []store.Event{store.RefundSucceeded},
				}))
			})
			stop := s.Run()
			defer stop()
			want := map[string]bool{}
			for n := range 60 {
				switch n {
				case 20:
					cut.down()
				case 40:
					time.Sleep(3 * time.Second)
					cut.up()
				}
				order := fmt.Sprint("order", n)
				s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 100})
				r := s.Refund(`{"out_trade_no":"` + order + `","refund_amount":"1.00"}`)
				s.Expect(r, 200, "succeeded")
				if r.Body["delivered"] != true {
					t.Errorf("it was held up: %s", r.Text)
				}
				want[r.Str("id")+".refund_succeeded"] = true
			}
			if n := cut.refused(); n == 0 {
				t.Error("the broker was never missed")
			}
			timeout := time.After(time.Minute)
			twice := 0
			for seen := map[string]bool{}; len(seen) < len(want); {
				select {
				case m := <-messages:
					if !want[m.UUID] {
						t.Fatalf("a message %s: %s", m.UUID, m.Payload)
					}
					if seen[m.UUID] {
						twice++
					}
					seen[m.UUID] = true
					m.Ack()
				case <-timeout:
					t.Fatalf("%d of %d events have come", len(seen), len(want))
				}
			}
			t.Logf("%d events, %d of them more than once", len(want), twice)
		})
	}
}

func must[T any](value T, err error) T { return shoptest.Must(value, err) }

// cut is an address that leads to another, unless it is down.
type cut struct {
	t           *testing.T
	address, to string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	isDown   bool
	missed   int
}

func newCut(t *testing.T, to string) *cut {
	t.Helper()
	c := &cut{t: t, to: to, conns: map[net.Conn]bool{}}
	c.listener = must(net.Listen("tcp", "127.0.0.1:0"))
	c.address = c.listener.Addr().String()
	go c.accept()
	t.Cleanup(func() { c.down(); _ = c.listener.Close() })
	return c
}

func (c *cut) accept() {
	for {
		in, err := c.listener.Accept()
		if err != nil {
			return
		}
		if !c.keep(in) {
			continue
		}
		out, err := net.Dial("tcp", c.to)
		if err != nil || !c.keep(out) {
			_ = in.Close()
			continue
		}
		pipe := func(to, from net.Conn) {
			_, _ = io.Copy(to, from)
			_, _ = to.Close(), from.Close()
		}
		go pipe(out, in)
		go pipe(in, out)
	}
}

// keep closes a connection while it is down.
func (c *cut) keep(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isDown {
		c.missed++
		_ = conn.Close()
		return false
	}
	c.conns[conn] = true
	return true
}

func (c *cut) down() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isDown = true
	for conn := range c.conns {
		_ = conn.Close()
	}
	clear(c.conns)
}

func (c *cut) up() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isDown = false
}

// refused counts those who came while it was down.
func (c *cut) refused() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.missed
}
