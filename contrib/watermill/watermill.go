// Package watermill publishes what becomes of refunds to a broker, through any publisher
// of Watermill's: RabbitMQ, NATS JetStream, Redis Streams, Kafka and others.
//
//	events, err := watermill.Subscribers(watermill.Config{
//		Publisher: publisher, Acknowledged: true, Topic: "refunds", Source: "/shop/alirefund",
//	})
//	alirefund.New(alirefund.Config{ /* ... */ Subscribers: events })
//
// Each event is published at least once, by a subscriber of its own: a broker that is
// down holds up no refund, no hook and no notification, and hears of everything once it
// is up. What is published is a CloudEvent 1.0 in JSON, whose data is described by
// [Schema]. Its id is the same however often it is published, so that a consumer can tell
// that it has had it; it is the message's UUID, too. Brokers keep no order between two
// events: of one refund's, one with a greater sequence is the later.
package watermill

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/store"
)

// Config says where events go.
type Config struct {
	// Publisher is Watermill's. It is not closed.
	Publisher message.Publisher
	// Acknowledged says that Publish returns nil only once the broker has taken the
	// message and, if it is to, keeps it. It has to be true, for a message that is lost
	// after that is lost: with RabbitMQ Publish.ConfirmDelivery, and a queue that is
	// bound already, for it drops and acknowledges what no queue wants; with NATS
	// JetStream and without AckAsync; with Kafka required acks from all.
	Acknowledged bool
	// Topic is where the events go, as Watermill calls it.
	Topic string
	// Source is the CloudEvents' source: a URI reference that names the host.
	Source string

	// Name is the subscriber's ([alirefund.Subscriber.Name]); default watermill. A second
	// broker wants another.
	Name string
	// Events are those that are published; default all three.
	Events []store.Event
	// From is [alirefund.Subscriber.From].
	From time.Time
}

// Subscribers returns what [alirefund.Config.Subscribers] needs to publish the events, or
// every problem of the configuration, joined.
func Subscribers(c Config) ([]alirefund.Subscriber, error) {
	if c.Name == "" {
		c.Name = "watermill"
	}
	if len(c.Events) == 0 {
		c.Events = []store.Event{store.RefundSucceeded, store.RefundFailed, store.RefundUnresolved}
	}
	var wrong []error
	add := func(field, problem string) {
		wrong = append(wrong, fmt.Errorf("watermill: Config.%s %s", field, problem))
	}
	if c.Publisher == nil {
		add("Publisher", "is required")
	}
	if !c.Acknowledged {
		add("Acknowledged", "has to be true: Publish must return nil only once the broker has taken the message")
	}
	if c.Topic == "" {
		add("Topic", "is required")
	}
	if _, err := url.Parse(c.Source); c.Source == "" || err != nil {
		add("Source", "wants a URI reference, such as /shop/alirefund")
	}
	var list []alirefund.Subscriber
	for n, event := range c.Events {
		if types[event] == "" {
			add(fmt.Sprintf("Events[%d]", n), "is none of store.RefundSucceeded, store.RefundFailed, store.RefundUnresolved")
		}
		list = append(list, alirefund.Subscriber{Name: c.Name, Event: event, Call: c.publish, From: c.From})
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return list, nil
}

func (c Config) publish(ctx context.Context, d alirefund.Delivery) error {
	body, err := json.Marshal(c.event(d))
	if err != nil {
		return fmt.Errorf("watermill: encode: %w", err)
	}
	m := message.NewMessage(d.ID, body)
	m.Metadata.Set("content-type", contentType)
	m.Metadata.Set("partitionkey", d.Refund.OrderID)
	m.SetContext(ctx)
	if err := c.Publisher.Publish(c.Topic, m); err != nil {
		return fmt.Errorf("watermill: publish: %w", err)
	}
	return nil
}

// Schema is the JSON Schema (2020-12) of an event. Fields may be added to it; what has
// another meaning gets another type and another dataschema.
//
//go:embed refund-v1.schema.json
var Schema string
