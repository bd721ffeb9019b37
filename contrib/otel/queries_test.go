package otel_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/goccy/go-yaml"
)

// rules is what the test reads of alerts.yml.
type rules struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr string
			Labels      map[string]string
		}
	}
}

// dashboard is what the test reads of dashboard.json.
type dashboard struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr, LegendFormat string }
	}
	Templating struct {
		List []struct {
			Type  string
			Query json.RawMessage
		}
	}
}

// series are the label values that were exported, by metric and label.
type series map[string]map[string][]string

var label = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)

// exported reads Prometheus's text.
func exported(text string) series {
	all := series{}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), "{")
		if strings.HasPrefix(line, "#") || name == "" {
			continue
		}
		if all[name] == nil {
			all[name] = map[string][]string{}
		}
		for _, found := range label.FindAllStringSubmatch(rest, -1) {
			all[name][found[1]] = append(all[name][found[1]], found[2])
		}
	}
	return all
}

// Each metric in an alert or a graph is exported, with each label that the query names
// and each value that it wants.
func TestQueriesAskForWhatIsExported(t *testing.T) {
	w := newTelemetry(t)
	w.everything(t)
	all := exported(w.scrape(t))
	asked := map[string]bool{}
	check := func(what, query string) {
		t.Helper()
		query = strings.NewReplacer("$__rate_interval", "5m", "$app", ".*").Replace(query)
		parsed, err := metricsql.Parse(query)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		for _, name := range all.check(t, what, parsed) {
			asked[name] = true
		}
	}
	for _, group := range read[rules](t, "alerts.yml", yaml.Unmarshal).Groups {
		for _, rule := range group.Rules {
			check(rule.Alert, rule.Expr)
		}
	}
	alerts := len(asked)
	board := read[dashboard](t, "dashboard.json", json.Unmarshal)
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			check(panel.Title, target.Expr)
			for _, name := range regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				if !strings.Contains(target.Expr, name[1]) {
					t.Errorf("%s: the legend names %s", panel.Title, name[1])
				}
			}
		}
	}
	if alerts < 10 || len(asked) < 15 {
		t.Errorf("the alerts ask for %d metrics, and all together for %d", alerts, len(asked))
	}
	// And nothing is exported that no query asks for.
	for name := range all {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if strings.HasPrefix(name, "alirefund_") && !asked[name] && !asked[base+"_count"] && !asked[base+"_bucket"] {
			t.Errorf("no query asks for %s", name)
		}
	}
}

// foreign are the labels that Prometheus sets.
var foreign = []string{"__name__", "instance", "job", "le"}

// check looks at the names in a query, and returns the metrics that it asks for.
func (all series) check(t *testing.T, what string, query metricsql.Expr) (asked []string) {
	t.Helper()
	var grouped []string
	metricsql.VisitAll(query, func(e metricsql.Expr) {
		switch e := e.(type) {
		case *metricsql.AggrFuncExpr:
			grouped = append(grouped, e.Modifier.Args...)
		case *metricsql.BinaryOpExpr:
			grouped = append(grouped, e.GroupModifier.Args...)
		case *metricsql.MetricExpr:
			for _, filters := range e.LabelFilterss {
				name := filters[0].Value
				asked = append(asked, name)
				if all[name] == nil {
					t.Errorf("%s: %s is not exported", what, name)
					continue
				}
				for _, f := range filters[1:] {
					all.filter(t, what, name, f)
				}
			}
		}
	})
	for _, name := range grouped {
		if !slices.Contains(foreign, name) && !slices.ContainsFunc(asked, func(metric string) bool { return all[metric][name] != nil }) {
			t.Errorf("%s: no series has the label %s", what, name)
		}
	}
	return asked
}

func (all series) filter(t *testing.T, what, name string, f metricsql.LabelFilter) {
	t.Helper()
	values := all[name][f.Label]
	if values == nil && !slices.Contains(foreign, f.Label) {
		t.Errorf("%s: %s has no label %s", what, name, f.Label)
		return
	}
	wanted := []string{f.Value}
	if f.IsRegexp {
		wanted = strings.Split(f.Value, "|")
	}
	for _, value := range wanted {
		if value != ".*" && !slices.Contains(values, value) {
			t.Errorf("%s: %s with %s=%q is not exported, but %q", what, name, f.Label, value, slices.Compact(slices.Sorted(slices.Values(values))))
		}
	}
}

func read[T any](t *testing.T, name string, unmarshal func([]byte, any) error) (value T) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil {
		err = unmarshal(text, &value)
	}
	if err != nil {
		t.Fatal(name, err)
	}
	return value
}

// section is one of an alert: its name, how bad it is, and two paragraphs at the least.
var section = regexp.MustCompile(`(?m)^### (\w+)\n\n\*(\w+)[.。]\*.+\n\n\S`)

// Each alert has its section in docs/production.md, in both languages and in this order,
// and each section its alert; each says how bad it is.
func TestEachAlertSaysWhatToDo(t *testing.T) {
	var alerts []string
	for _, group := range read[rules](t, "alerts.yml", yaml.Unmarshal).Groups {
		for _, rule := range group.Rules {
			severity := rule.Labels["severity"]
			if severity != "page" && severity != "ticket" {
				t.Errorf("%s has the severity %q", rule.Alert, severity)
			}
			alerts = append(alerts, rule.Alert+" "+severity)
		}
	}
	if len(alerts) < 15 {
		t.Fatalf("%d alerts", len(alerts))
	}
	for _, name := range []string{"production.md", "production.zh-CN.md"} {
		page, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var sections []string
		for _, found := range section.FindAllStringSubmatch(string(page), -1) {
			sections = append(sections, found[1]+" "+strings.ToLower(found[2]))
		}
		if !slices.Equal(sections, alerts) {
			t.Errorf("%s has the sections\n%q, want\n%q", name, sections, alerts)
		}
		if n := strings.Count(string(page), "\n### "); n != len(sections) {
			t.Errorf("%s has %d sections of that rank, and %d of alerts", name, n, len(sections))
		}
	}
}

// Each metric has its line in docs/telemetry.md, in both languages.
func TestDocsNameEachMetric(t *testing.T) {
	english, err := os.ReadFile("../../docs/telemetry.md")
	if err != nil {
		t.Fatal(err)
	}
	chinese, err := os.ReadFile("../../docs/telemetry.zh-CN.md")
	if err != nil {
		t.Fatal(err)
	}
	w := newTelemetry(t)
	w.everything(t)
	metrics := 0
	for line := range strings.Lines(w.scrape(t)) {
		if name, is := strings.CutPrefix(line, "# TYPE alirefund_"); is {
			metrics++
			name, _, _ = strings.Cut(name, " ")
			for language, page := range map[string][]byte{"English": english, "Chinese": chinese} {
				if !strings.Contains(string(page), "| `alirefund_"+name+"` |") {
					t.Errorf("docs/telemetry.md says nothing of alirefund_%s in %s", name, language)
				}
			}
		}
	}
	if metrics < 15 {
		t.Errorf("%d metrics", metrics)
	}
}
