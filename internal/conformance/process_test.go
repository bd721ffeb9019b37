package conformance

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"
)

// Some tests want another process. It is this test binary, started again with a
// role; it works on the database of the test that started it.

var roles = map[string]func(ctx context.Context, d database, s *sqlstore.Store) error{
	"refund at random":     refundAtRandom,
	"die in the hook":      dieInTheHook,
	"die in the migration": dieInTheMigration,
	"sleep on a lease":     sleepOnALease,
	"the last fen":         theLastFen,
}

// part is what the other process is told.
type part struct{ Role, Engine, URL, Prefix string }

const partEnv = "ALIREFUND_CONFORMANCE_PART"

func TestMain(m *testing.M) {
	text, is := os.LookupEnv(partEnv)
	if !is {
		os.Exit(m.Run())
	}
	if err := play(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func play(text string) error {
	var p part
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	for _, e := range engines {
		if e.name != p.Engine {
			continue
		}
		db, err := sql.Open(e.driver, p.URL)
		if err != nil {
			return err
		}
		db.SetMaxOpenConns(16)
		s, err := sqlstore.New(db, e.dialect, sqlstore.Prefix(p.Prefix))
		if err != nil && !errors.Is(err, sqlstore.ErrNotMigrated) {
			return err
		}
		return roles[p.Role](context.Background(), database{DB: db, engine: e, url: p.URL, prefix: p.Prefix}, s)
	}
	return fmt.Errorf("no engine %q", p.Engine)
}

// process starts another one. It ends with the test at the latest.
func (d database) process(t testing.TB, role string) (*exec.Cmd, io.Writer, *bufio.Scanner) {
	t.Helper()
	text, err := json.Marshal(part{role, d.name, d.url, d.prefix})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), partEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	return cmd, in, bufio.NewScanner(out)
}

// Money is never reserved beyond an order's total, and what is reserved is what
// its refunds add up to, whatever two processes do to it at once.
func TestReservationsByTwoProcesses(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		s := d.migrate(t).store(t, d.DB)
		first, _, _ := d.process(t, "refund at random")
		second, _, _ := d.process(t, "refund at random")
		if err := errors.Join(first.Wait(), second.Wait()); err != nil {
			t.Fatal(err)
		}
		refunds, err := s.List(t.Context(), store.Filter{App: "app", Limit: 1e6})
		if err != nil {
			t.Fatal(err)
		}
		var sum, failed, again int
		for _, r := range refunds {
			if r.Counts() {
				sum += int(r.Amount)
			}
			if r.State == store.Failed {
				failed++
			}
			if r.Attempts > 1 {
				again++
			}
		}
		reserved := d.number(t, "SELECT reserved FROM {t}orders")
		t.Logf("%d refunds, %d failed, %d sent again, %d reserved", len(refunds), failed, again, reserved)
		if int64(sum) != reserved || reserved > randomTotal || failed == 0 || again == 0 {
			t.Errorf("the refunds add up to %d of %d, and %d is reserved", sum, randomTotal, reserved)
		}
	})
}

const randomTotal = 1000

// refundAtRandom refunds one order, fails some of it, and tries again.
func refundAtRandom(ctx context.Context, _ database, s *sqlstore.Store) error {
	limit := store.Limit{Total: randomTotal, Known: true}
	one := func() error {
		r := refund("order", fmt.Sprint(rand.N(60)))
		r.Amount = 90
		r, opened, err := s.Open(ctx, r, limit, nil)
		if err != nil || opened.How == store.OverLimit || r.State != store.Pending {
			return err
		}
		attempt, err := s.Sending(ctx, r.ID, store.Permission{Attempts: r.Attempts, Lease: time.Minute})
		if err != nil || attempt.Token == "" {
			return err
		}
		settlement := store.Settlement{
			Source: store.ByAnswer, Attempt: attempt.Number, Token: attempt.Token, Finding: store.Refusal, Retryable: rand.N(4) > 0,
		}
		if rand.N(8) == 0 {
			settlement.Finding = store.Success
		}
		_, _, err = s.Settle(ctx, r.ID, settlement)
		return err
	}
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range 12 {
				if err := one(); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// 64 clients of two processes refund one order at once.
func TestTheLastFenByTwoProcesses(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		s := d.migrate(t).store(t, d.DB)
		var starts []io.Writer
		var outs []*bufio.Scanner
		for range 2 {
			_, in, out := d.process(t, "the last fen")
			if !out.Scan() { // it is ready
				t.Fatal("the process said nothing")
			}
			starts, outs = append(starts, in), append(outs, out)
		}
		for _, start := range starts {
			_, _ = io.WriteString(start, "\n")
		}
		created := 0
		for _, out := range outs {
			var n int
			if !out.Scan() || json.Unmarshal(out.Bytes(), &n) != nil {
				t.Fatalf("the process said %q", out.Text())
			}
			created += n
		}
		refunds, err := s.List(t.Context(), store.Filter{App: "app"})
		if reserved := d.number(t, "SELECT reserved FROM {t}orders"); err != nil || created != 33 || len(refunds) != 33 || reserved != 990 {
			t.Errorf("%d of 64 refunds of 30 were admitted to an order of 1000, %d are recorded and %d reserved: %v", created, len(refunds), reserved, err)
		}
	})
}

func theLastFen(ctx context.Context, _ database, s *sqlstore.Store) error {
	results := make(chan error)
	start := make(chan struct{})
	for n := range 32 {
		go func() {
			<-start
			r := refund("order", fmt.Sprint(os.Getpid(), n))
			r.Amount = 30
			_, opened, err := s.Open(ctx, r, store.Limit{Total: 1000, Known: true}, nil)
			if err == nil && opened.How != store.Created {
				err = store.ErrNotFound // over the limit
			}
			results <- err
		}()
	}
	fmt.Println("ready")
	bufio.NewScanner(os.Stdin).Scan()
	close(start)
	created := 0
	for range 32 {
		switch err := <-results; {
		case err == nil:
			created++
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	fmt.Println(created)
	return nil
}

func TestProcessDiesInTheHook(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		s := d.migrate(t).host(t).store(t, d.DB)
		r := succeeded(t, s, "1")
		cmd, _, _ := d.process(t, "die in the hook")
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the process ended with %v", err)
		}
		d.wantTold(t, s, r.ID, false)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if _, done, err := s.DeliverTx(ctx, r.ID, success, nil, d.hosts); !done || err != nil {
			t.Fatalf("DeliverTx = %v, %v", done, err)
		}
		d.wantTold(t, s, r.ID, true)
	})
}

func dieInTheHook(ctx context.Context, d database, s *sqlstore.Store) error {
	_, _, err := s.DeliverTx(ctx, refund("order", "1").ID, success, nil, func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
		if err := d.hosts(ctx, tx, r); err != nil {
			return err
		}
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	})
	return fmt.Errorf("still alive: %w", err)
}

// nap is a lease that the sleeper takes, and sleeps past.
const nap = 300 * time.Millisecond

// words are what the sleeper's late words did.
type words struct {
	Completed, Delivered, Changed bool
	State                         store.State
	Errors                        string
}

// A process is stopped in the middle of its work, its leases run out, another
// does the work, and then the first wakes and says its word.
func TestLateWordOfASleeper(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		s := d.migrate(t).store(t, d.DB)
		told, sent := succeeded(t, s, "told"), open(t, s, "sent")
		cmd, in, out := d.process(t, "sleep on a lease")
		if !out.Scan() || out.Text() != "asleep" {
			t.Fatalf("the process said %q", out.Text())
		}
		if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(nap + nap/2)

		ctx := t.Context()
		claimed, _, err1 := s.Claim(ctx, "notice", time.Minute)
		delivery, _, err2 := s.Deliver(ctx, told.ID, success, time.Minute)
		attempt, err3 := s.Sending(ctx, sent.ID, store.Permission{Attempts: 1, Lease: time.Minute})
		if claimed == "" || delivery == "" || attempt.Number != 2 || errors.Join(err1, err2, err3) != nil {
			t.Fatalf("the sleeper's work: %q, %q, %+v, %v", claimed, delivery, attempt, errors.Join(err1, err2, err3))
		}

		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(in, "wake\n")
		var late words
		if !out.Scan() || json.Unmarshal(out.Bytes(), &late) != nil || cmd.Wait() != nil {
			t.Fatalf("the process said %q", out.Text())
		}
		if late != (words{State: store.Pending}) {
			t.Errorf("the late words: %+v; want that they change nothing", late)
		}

		completed, err1 := s.Complete(ctx, "notice", claimed, time.Minute)
		delivered, _, err2 := s.Delivered(ctx, told.ID, success, delivery, store.Notice{})
		r, changed, err3 := s.Settle(ctx, sent.ID, store.Settlement{
			Source: store.ByAnswer, Attempt: 2, Token: attempt.Token, Finding: store.Success,
		})
		if !completed || !delivered || !changed || r.State != store.Succeeded || errors.Join(err1, err2, err3) != nil {
			t.Errorf("the other's own: %v, %v, %v, %v", completed, delivered, changed, errors.Join(err1, err2, err3))
		}
	})
}

func sleepOnALease(ctx context.Context, _ database, s *sqlstore.Store) error {
	told, sent := refund("order", "told").ID, refund("order", "sent").ID
	claimed, _, err1 := s.Claim(ctx, "notice", nap)
	delivery, _, err2 := s.Deliver(ctx, told, success, nap)
	attempt, err3 := s.Sending(ctx, sent, store.Permission{Lease: nap})
	if err := errors.Join(err1, err2, err3); err != nil || claimed == "" || delivery == "" || attempt.Token == "" {
		return fmt.Errorf("nothing to sleep on: %w", err)
	}
	fmt.Println("asleep")
	bufio.NewScanner(os.Stdin).Scan()

	var late words
	late.Completed, err1 = s.Complete(ctx, "notice", claimed, time.Minute)
	late.Delivered, _, err2 = s.Delivered(ctx, told, success, delivery, store.Notice{})
	// What it slept on was refused; the other's send may be on its way.
	r, changed, err3 := s.Settle(ctx, sent, store.Settlement{
		Source: store.ByAnswer, Attempt: attempt.Number, Token: attempt.Token, Finding: store.Refusal,
	})
	late.State, late.Changed = r.State, changed
	if err := errors.Join(err1, err2, err3); err != nil {
		late.Errors = err.Error()
	}
	return json.NewEncoder(os.Stdout).Encode(late)
}
