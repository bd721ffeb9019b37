package watermill_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/contrib/watermill"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// broker is a publisher that keeps what it took.
type broker struct {
	mu   sync.Mutex
	down bool
	took []*message.Message
}

func (b *broker) Publish(topic string, messages ...*message.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down || topic != "refunds" {
		return errors.New("no broker is there")
	}
	b.took = append(b.took, messages...)
	return nil
}

func (b *broker) Close() error { panic("it is the host's to close") }

func (b *broker) all() []*message.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.took)
}

func (b *broker) set(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

// types are those of the events, in order.
func (b *broker) types(t *testing.T) string {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var types []string
	for _, m := range b.took {
		var e struct{ Type string }
		if err := json.Unmarshal(m.Payload, &e); err != nil {
			t.Fatal(err)
		}
		types = append(types, e.Type)
	}
	return strings.Join(types, " ")
}

func config(b *broker) watermill.Config {
	return watermill.Config{Publisher: b, Acknowledged: true, Topic: "refunds", Source: "/shop/alirefund"}
}

func newShop(t *testing.T, c watermill.Config) *shoptest.Shop {
	t.Helper()
	return shoptest.NewShop(t, func(to *alirefund.Config) {
		to.Subscribers = shoptest.Must(watermill.Subscribers(c))
	})
}

// What becomes of a refund is published, as the schema says, and names no buyer.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{}
		s := newShop(t, config(b))
		s.Trade()
		stop := s.Run()
		defer stop()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
		s.Expect(s.Refund(shoptest.Partly), 422, "failed")
		time.Sleep(3 * time.Second)
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		time.Sleep(3 * time.Second)
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.Always(alipaytest.LostAnswer, gateway.MethodRefundQuery)
		s.Expect(s.Refund(shoptest.Numbered("R2", "1.00")), 202, "pending")
		time.Sleep(25 * time.Hour)
		if got, want := b.types(t), "alirefund.refund.failed.v1 alirefund.refund.succeeded.v1 alirefund.refund.unresolved.v1"; got != want {
			t.Fatalf("published %q, want %q", got, want)
		}
		schema := compile(t)
		sequence := ""
		for _, m := range b.all()[:2] {
			var e map[string]any
			if err := json.Unmarshal(m.Payload, &e); err != nil {
				t.Fatal(err)
			}
			if e["id"] != m.UUID || e["partitionkey"] != m.Metadata.Get("partitionkey") || m.Metadata.Get("content-type") != "application/cloudevents+json; charset=utf-8" {
				t.Errorf("message %s %v: %s", m.UUID, m.Metadata, m.Payload)
			}
			if e["sequence"].(string) <= sequence {
				t.Errorf("sequence %s after %s", e["sequence"], sequence)
			}
			sequence = e["sequence"].(string)
		}
		for _, m := range b.all() {
			if err := schema.Validate(shoptest.Must(jsonschema.UnmarshalJSON(strings.NewReader(string(m.Payload))))); err != nil {
				t.Errorf("%v: %s", err, m.Payload)
			}
			for _, secret := range []string{"buyer", "159****5620", "staff"} {
				if strings.Contains(string(m.Payload), secret) {
					t.Errorf("%s names %s", m.Payload, secret)
				}
			}
		}
	})
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("urn:alirefund:refund:v1", shoptest.Must(jsonschema.UnmarshalJSON(strings.NewReader(watermill.Schema)))); err != nil {
		t.Fatal(err)
	}
	return shoptest.Must(c.Compile("urn:alirefund:refund:v1"))
}

// A broker that is down hears of everything later, and of nothing twice by another id.
func TestBrokerThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{down: true}
		s := newShop(t, config(b))
		s.Trade()
		stop := s.Run()
		defer stop()
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 200, "succeeded")
		if r.Body["delivered"] != true {
			t.Errorf("it held up the host's own hook: %s", r.Text)
		}
		time.Sleep(time.Hour)
		b.set(false)
		time.Sleep(2 * time.Hour)
		if got, want := b.types(t), "alirefund.refund.succeeded.v1"; got != want {
			t.Fatalf("published %q, want %q", got, want)
		}
		shoptest.Must(s.Module.ReplayTo(t.Context(), "watermill", store.Filter{}, "somebody", false))
		time.Sleep(time.Second)
		if took := b.all(); len(took) != 2 || took[1].UUID != took[0].UUID+".1" {
			t.Errorf("replayed %v", took)
		}
	})
}

func TestConfig(t *testing.T) {
	_, err := watermill.Subscribers(watermill.Config{Events: []store.Event{"refund"}, Source: "%"})
	for _, field := range []string{"Publisher", "Acknowledged", "Topic", "Source", "Events[0]"} {
		if err == nil || !strings.Contains(err.Error(), "watermill: Config."+field+" ") {
			t.Errorf("%v does not name %s", err, field)
		}
	}
	list, err := watermill.Subscribers(watermill.Config{
		Publisher: &broker{}, Acknowledged: true, Topic: "refunds", Source: "/shop", Name: "other", Events: []store.Event{store.RefundFailed},
	})
	if err != nil || len(list) != 1 || list[0].Name != "other" || list[0].Event != store.RefundFailed {
		t.Errorf("%v, %v", list, err)
	}
}
