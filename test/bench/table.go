package bench

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// results is everything that was measured.
type results struct {
	begun time.Time
	load  float64 // load of the machine before
	rows  []row
	says  []claim
}

// row is one contender on one host. It does not hold the world, which may be large.
type row struct {
	size      Size
	goes      map[string]int // number of objects to delete, by kind
	host      string
	contender string
	cost      Cost
}

// objects returns the number of objects to delete.
func (r row) objects() (n int) {
	for _, count := range r.goes {
		n += count
	}
	return n
}

func begin() *results { return &results{begun: time.Now(), load: loadNow()} }

// compare makes all contenders collect a world, side by side.
func (r *results) compare(t testing.TB, p *plan, h host, w *World, x tools) {
	t.Helper()
	for _, c := range contenders {
		if !p.worthwhile(c, w) {
			continue
		}
		cost := c.measure(t, h, w, x)
		if cost.Wall == 0 {
			continue // left out by -run
		}
		// Whoever waits for hours wants to see progress.
		fmt.Fprintf(os.Stderr, "%s; %s: %s: %v\n", w.Size, h.name(), c.Name, cost)
		r.rows = append(r.rows, row{w.Size, counted(w.Answer), h.name(), c.Name, cost})
	}
}

// find returns one of the costs; nil if it was not measured.
func (r *results) find(host, contender string, size Size) *Cost {
	for i := range r.rows {
		if one := &r.rows[i]; one.host == host && one.contender == contender && one.size == size {
			return &one.cost
		}
	}
	return nil
}

// table returns the rows of one host as a table in Markdown.
func (r *results) table(host string, size Size) string {
	var b strings.Builder
	b.WriteString("| | wall | of the floor | BOS | CFS | Kubernetes | requests per object | received | CPU | of the floor | peak memory |\n")
	b.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	least := r.find(host, floor, size)
	if least == nil {
		least = &Cost{}
	}
	for _, one := range r.rows {
		if one.host != host || one.size != size {
			continue
		}
		c, name := one.cost, one.contender
		if c.Sample > 0 {
			name += fmt.Sprintf(" (extrapolated from %d sessions)", c.Sample)
		}
		perObject := "–"
		all := c.total("bos") + c.total("cfs") + c.total("kube")
		if goes := one.objects(); goes > 0 {
			perObject = fmt.Sprintf("%.2f", float64(all)/float64(goes))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", name, seconds(c.Wall), ratio(c.Wall, least.Wall),
			grouped(c.total("bos")), grouped(c.total("cfs")), grouped(c.total("kube")), perObject, megabytes(c.Received),
			seconds(c.CPU), ratio(c.CPU, least.CPU), mebibytes(c.MaxRSS))
	}
	return b.String()
}

// String returns all tables.
func (r *results) String() string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, one := range r.rows {
		title := fmt.Sprintf("%s; %s", one.size, one.host)
		if seen[title] {
			continue
		}
		seen[title] = true
		fmt.Fprintf(&b, "### %s\n\n%s objects go.\n\n%s\n", title, grouped(one.objects()), r.table(one.host, one.size))
	}
	return b.String()
}

func ratio(a, b time.Duration) string {
	if b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", float64(a)/float64(b))
}

func seconds(d time.Duration) string {
	if d > time.Hour {
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// grouped formats a number with thousands separators.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
