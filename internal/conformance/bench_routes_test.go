package conformance

import (
	"fmt"
	"testing"
)

// A refund through POST /refunds: recorded, sent, settled, told and answered.
// Its floor makes the same call to the same Alipay, and writes the same rows in
// the same three transactions by the bare driver; in place of Memory it has a map.
func BenchmarkRefundRoute(b *testing.B) {
	eachPlace(b, func(b *testing.B, p place) {
		alipay := newCounterpart(b)
		s, recorder := p.recorded(b)
		first := alipay.trade(0)
		alipay.refund(b, alipay.module(b, s), first)()
		script := recorder.take().of(b, 3)

		routes := alipay.module(b, p.store)
		beside(b, func(n int) pair {
			order := alipay.trade(2*n + 1)
			call, write := alipay.exchange(b, order), p.writer(b, script.instead(alipay.other(first, order)...))
			return pair{
				floor: func() {
					write(0) // recorded, and being sent
					call()
					write(1) // settled
					write(2) // told
				},
				ours: alipay.refund(b, routes, alipay.trade(2*n+2)),
			}
		})
	})
}

// A notice through POST /notify: a new one, of a refund that another process
// sent and whose answer was lost, is settled, told and acknowledged; a known one
// is acknowledged once more. The floor of the new one verifies its signature and
// writes the same rows in the same two transactions by the bare driver; that of
// the known one verifies its signature.
func BenchmarkNoticeRoute(b *testing.B) {
	eachPlace(b, func(b *testing.B, p place) {
		alipay := newCounterpart(b)
		s, recorder := p.recorded(b)
		first := alipay.trade(0)
		alipay.pending(b, s, first)
		lost := recorder.take().of(b, 1)
		alipay.notice(b, first).post(b, alipay.module(b, s))()
		script := recorder.take().of(b, 2)

		routes := alipay.module(b, p.store)
		b.Run("new", func(b *testing.B) {
			last := 0
			beside(b, func(int) pair {
				order, ours := alipay.trade(last+1), alipay.trade(last+2)
				last += 2
				other := alipay.other(first, order)
				p.writer(b, lost.instead(other...))(0)
				alipay.pending(b, p.anew(b), ours)
				verify, write := alipay.notice(b, order).verify(b), p.writer(b, script.instead(other...))
				return pair{
					floor: func() {
						verify()
						write(0) // claimed, and settled
						write(1) // told, and acknowledged
					},
					ours: alipay.notice(b, ours).post(b, routes),
				}
			})
		})
		b.Run("known", func(b *testing.B) {
			order := alipay.trade(1_000_000)
			alipay.pending(b, p.store, order)
			notice := alipay.notice(b, order)
			notice.post(b, routes)()
			beside(b, func(int) pair {
				return pair{floor: notice.verify(b), ours: notice.post(b, routes)}
			})
		})
	})
}

// clients is how many refund at once in BenchmarkClients.
const clients = 64

// Refunds per second of 64 clients with connections of their own, each refund of
// another order. The fake Alipay shares the machine.
func BenchmarkClients(b *testing.B) {
	eachPlace(b, func(b *testing.B, p place) {
		alipay := newCounterpart(b)
		server := alipay.serve(b, p.store)
		last := 0
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			orders := make(chan string, b.N)
			for range b.N {
				last++
				orders <- alipay.trade(last)
			}
			close(orders)
			b.ResetTimer()
			alipay.each(b, server, orders)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "refunds/s")
		})
	})
}
