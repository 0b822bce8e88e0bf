package gc_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/bos"
	"bosgc/internal/cfs"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/kubeconfig"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
	"bosgc/internal/progress"
	"bosgc/internal/transport"
	"bosgc/policy"
)

// past is a machine with some hours behind it, in which sessions, the batcher and people did their work.
type past struct {
	*lab.Server
	life    *lab.Life
	random  *rand.Rand
	systems collect.Clients
	ids     []string
	specs   map[string]told
	runs    int // that have a journal
}

// told is a session that was started.
type told struct {
	lab.SessionSpec

	start time.Time
}

// pastAge is how long ago that was.
const pastAge = 3 * 24 * time.Hour

func newPast(t testing.TB, csm string, seed uint64) *past {
	t.Helper()
	p := &past{random: rand.New(rand.NewPCG(seed, uint64(len(csm))*100+uint64(csm[2]))), specs: map[string]told{}}
	begin := time.Now().Add(-pastAge).Truncate(time.Second)
	world, err := lab.NewWorld(lab.Options{CSM: csm, Seed: seed, Nodes: 160, Now: begin})
	if err != nil {
		t.Fatal(err)
	}
	if p.Server, err = lab.Start(world, lab.ServerOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	p.connect(t)
	chance := func(percent int) bool { return p.random.IntN(100) < percent }
	p.life = p.Life(begin, lab.LifeOptions{
		Late: func(string) time.Duration {
			if chance(3) { // after its session has given up on it
				return time.Duration(25+p.random.IntN(20)) * time.Minute
			}
			return time.Duration(p.random.IntN(100)) * time.Second
		},
		Fails:     func(simcfs.Session, string) bool { return chance(3) },
		BootFails: func(string) bool { return chance(1) },
	})
	p.life.Pass(time.Minute)
	return p
}

func (p *past) connect(t testing.TB) {
	t.Helper()
	config, err := kubeconfig.Load(p.Kubeconfig(), "")
	if err != nil {
		t.Fatal(err)
	}
	client, err := kube.New(config, kube.Options{Namespace: lab.Namespace, Concurrency: 4, RequestTimeout: 10 * time.Second, ListTimeout: 10 * time.Second, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	o := transport.Options{RequestTimeout: 10 * time.Second, Concurrency: 4, RetryWait: time.Millisecond}
	toBOS, err := transport.New(p.URL("bos"), o)
	if err != nil {
		t.Fatal(err)
	}
	toCFS, err := transport.New(p.URL("cfs"), o)
	if err != nil {
		t.Fatal(err)
	}
	p.systems = collect.Clients{
		BOS: bos.New(toBOS, 10*time.Second), CFS: cfs.New(toCFS, 10*time.Second), Kube: client,
		Reporter: progress.Reporter{Log: slog.New(slog.DiscardHandler)}, BOSConcurrency: 2, KubeConcurrency: 4,
	}
}

// again gives clients that have asked for nothing yet.
func (p *past) again(t testing.TB) collect.Clients {
	p.connect(t)
	return p.systems
}

// nodes are some that lie side by side.
func (p *past) nodes(most int) []string {
	all := p.World.Nodes()
	first := p.random.IntN(len(all))
	return all[first:min(len(all), first+1+p.random.IntN(most))]
}

func (p *past) configuration() string {
	return []string{"cos-config-2.4", "cos-config-2.4", "cos-config-2.4", "gpu-config"}[p.random.IntN(4)]
}

// burst has some sessions begin at about the same time, so that their nodes come into the same batches, and now
// and then other things happen.
func (p *past) burst() {
	blocks := slices.Collect(slices.Chunk(p.World.Nodes(), 8))
	p.random.Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
	for range 2 + p.random.IntN(3) {
		size := 1 + p.random.IntN(2)
		nodes := slices.Concat(blocks[:size]...)
		blocks = blocks[size:]
		if p.random.IntN(8) == 0 {
			nodes = p.nodes(12) // of others too
		}
		spec := lab.SessionSpec{
			Operation: []string{"boot", "reboot", "reboot", "configure", "shutdown"}[p.random.IntN(5)], Configuration: p.configuration(),
			Nodes: nodes, DisableCFS: p.random.IntN(12) == 0, V2: !p.World.Profile.BOSv1 || p.World.Profile.BOSv2 && p.random.IntN(7) == 0,
		}
		if p.random.IntN(12) == 0 {
			// BOA's request fails for all nodes because of one, and BOA goes on.
			p.CFS.RemoveComponent(nodes[0])
		}
		id := p.life.Start(spec)
		p.ids = append(p.ids, id)
		p.specs[id] = told{spec, p.life.Now()}
		p.life.Pass(time.Duration(p.random.IntN(60))*time.Second, 5*time.Second)
	}
	if p.random.IntN(3) == 0 {
		for _, node := range p.nodes(4) {
			p.CFS.SetByHand(node, p.configuration(), p.random.IntN(2) == 0)
		}
	}
	if p.random.IntN(3) == 0 {
		p.CFS.Run(simcfs.Session{
			Name: fmt.Sprintf("by-hand-%d", len(p.ids)), Configuration: p.configuration(), Definition: "dynamic", Limit: strings.Join(p.nodes(6), ","),
		}, p.life.Now())
		p.CFS.Run(simcfs.Session{Name: fmt.Sprintf("image-%d", len(p.ids)), Configuration: p.configuration(), Definition: "image"}, p.life.Now())
	}
	if last := p.ids[len(p.ids)-1]; p.random.IntN(6) == 0 && !p.specs[last].V2 {
		p.life.FailPod(last) // its next one begins anew
	}
	p.life.Pass(time.Duration(10+p.random.IntN(80))*time.Minute, 5*time.Second)
}

// live lets some hours pass.
func (p *past) live(t testing.TB, bursts int) {
	t.Helper()
	for range bursts {
		p.burst()
	}
	p.life.Pass(90*time.Minute, 5*time.Second)
	for _, id := range p.ids {
		if p.random.IntN(12) == 0 && p.World.Profile.BOSv1 {
			if _, err := p.systems.BOS.Delete(t.Context(), id); err != nil && !strings.Contains(err.Error(), "404") {
				t.Fatal(err)
			}
		}
	}
}

// expired are settings by which every session goes that does not run.
var expired = policy.Settings{
	SessionTTL: time.Hour, FailedTTL: time.Hour, AbandonedTTL: time.Hour, OrphanGrace: time.Hour, OrphanSightings: 1, MaxOrphanPercent: 100,
	CFS: policy.CFSLinked, CFSTTL: time.Hour, CFSLink: policy.LinkInferred,
}

func (p *past) plan(t testing.TB, settings policy.Settings) *gc.Plan {
	t.Helper()
	plan, err := gc.MakePlan(t.Context(), p.again(t), gc.Run{ID: "r", Options: collect.Options{Settings: settings, Clock: time.Now, ReadTimeout: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// pair says that a CFS session is of a session.
type pair struct{ cfs, session string }

// tally compares what is said with what is true.
type tally struct{ said, right, of int }

func (a *tally) add(b tally) { a.said, a.right, a.of = a.said+b.said, a.right+b.right, a.of+b.of }

func (a *tally) precision() float64 { return share(a.right, a.said) }
func (a *tally) recall() float64    { return share(a.right, a.of) }

func share(part, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(part) / float64(of)
}

// measured is what became of one or more worlds.
type measured struct {
	exact, acted, proximity tally // of all pairs that are true
	inferred                tally // of CFS sessions without a tag whose sessions can be known
	there                   tally // of those whose sessions are all still there
}

func (a *measured) add(b measured) {
	a.exact.add(b.exact)
	a.acted.add(b.acted)
	a.proximity.add(b.proximity)
	a.inferred.add(b.inferred)
	a.there.add(b.there)
}

// measure holds the plan of a world in which all sessions go, and so every CFS session that is linked to one,
// against the truth.
func (p *past) measure(t testing.TB) (m measured) {
	t.Helper()
	plan := p.plan(t, expired)
	truth := map[pair]bool{} // of sessions of BOS v1, and of these alone
	whole := map[string]bool{}
	for name, link := range p.life.Links() {
		alone := !link.ByOthers && !slices.ContainsFunc(link.Owners, func(o lab.Owner) bool { return o.V2 })
		whole[name] = alone && link.Known && len(link.Owners) > 0
		for _, o := range link.Owners {
			if !o.V2 {
				truth[pair{name, o.ID}] = alone
			}
		}
	}
	score := func(said []pair) tally {
		right := 0
		for _, one := range said {
			if truth[one] {
				right++
			}
		}
		return tally{len(said), right, len(truth)}
	}
	goes := map[string]bool{}
	for _, o := range plan.Objects {
		goes[o.Name] = o.Kind == policy.CFSSession && o.Verdict == policy.Delete
	}
	var exact, acted []pair
	for _, l := range plan.Links() {
		_, made := p.life.Links()[l.CFS]
		for _, id := range l.Sessions {
			if made && l.Exact && p.life.Links()[l.CFS].ByOthers && !p.v2(id) {
				// A person has set what is tagged, and has left the tag: it is a link all the same.
				truth[pair{l.CFS, id}] = true
			}
			if made && l.Exact && slices.Contains(p.ids, id) && !p.v2(id) {
				exact = append(exact, pair{l.CFS, id})
			}
			if !l.Exact && goes[l.CFS] {
				acted = append(acted, pair{l.CFS, id})
			}
		}
		if l.Exact {
			continue
		}
		said := 0
		if goes[l.CFS] {
			said = 1
			var is []string
			for _, o := range p.life.Links()[l.CFS].Owners {
				is = append(is, o.ID)
			}
			if link := p.life.Links()[l.CFS]; link.ByOthers && !slices.ContainsFunc(l.Sessions, func(id string) bool { return !p.leftTag(l.CFS, id) }) {
				// As above: whoever leaves the tag on a component says that it is the session's.
				is, whole[l.CFS] = slices.Clone(l.Sessions), link.Known
				for _, id := range is {
					truth[pair{l.CFS, id}] = true
				}
			}
			slices.Sort(is)
			if !whole[l.CFS] || !slices.Equal(is, l.Sessions) {
				t.Errorf("CSM %s, seed %d: %s goes as one of %q, and is of %q: %+v", p.World.Profile.CSM, p.World.Options.Seed, l.CFS, l.Sessions, is, p.life.Links()[l.CFS])
			}
		}
		if whole[l.CFS] {
			m.there.add(tally{said, said, 1})
		}
		if known := p.knowable(t, l.CFS); whole[l.CFS] && known {
			m.inferred.add(tally{said, said, 1})
		}
	}
	m.exact, m.acted, m.proximity = score(exact), score(slices.Concat(exact, acted)), score(p.near(t))
	return m
}

// knowable says whether it can be known at all whose a CFS session is. Each of its components must be of a session that
// was at work then. It can be known if the tag of that one is still on it, and no other began after it that can have
// set it too; or, where a session that is still there has set it since, if only one session can have set it before, and
// that has left its tag somewhere. Else nothing tells that session from one whose request failed, or which has gone.
func (p *past) knowable(t testing.TB, name string) bool {
	i := slices.IndexFunc(p.CFS.Made(), func(m simcfs.Made) bool { return m.Name == name })
	made := p.CFS.Made()[i]
	for _, node := range made.Nodes {
		component, _ := p.CFS.Component(node)
		var can []string
		for _, id := range p.ids {
			if p.canHaveSet(t, id, node, made) {
				can = append(can, id)
			}
		}
		tag := component.Tags["bos_session"]
		switch {
		case len(can) == 0, p.v2(can[0]):
			return false
		case can[len(can)-1] == tag && slices.Contains(made.Owners, tag):
		case len(can) > 1 || !p.traced(can[0]):
			return false
		case p.specs[tag].start.Before(made.At) || !p.BOS.HasRecord(tag) && !p.v2(tag):
			return false
		}
	}
	return true
}

// canHaveSet says whether a session was at work when a CFS session began, and sets this node so.
func (p *past) canHaveSet(t testing.TB, id, node string, made simcfs.Made) bool {
	s := p.specs[id]
	if !slices.Contains(s.Nodes, node) || s.Operation == "shutdown" || s.DisableCFS || s.Configuration != made.Configuration || made.At.Before(s.start) {
		return false
	}
	record, err := p.systems.BOS.Get(t.Context(), id)
	return err == nil && (s.V2 || record.Stop.At().IsZero() || made.At.Before(record.Stop.At().Add(30*time.Minute)))
}

// leftTag says whether a component of a CFS session has the tag of a session.
func (p *past) leftTag(cfs, id string) bool {
	i := slices.IndexFunc(p.CFS.Made(), func(m simcfs.Made) bool { return m.Name == cfs })
	return slices.ContainsFunc(p.CFS.Made()[i].Nodes, func(node string) bool {
		component, _ := p.CFS.Component(node)
		return component.Tags["bos_session"] == id
	})
}

// traced says whether a session has left its tag somewhere.
func (p *past) traced(id string) bool {
	return slices.ContainsFunc(p.CFS.Components(), func(c simcfs.Component) bool { return c.Tags["bos_session"] == id }) ||
		slices.ContainsFunc(p.CFS.Sessions(), func(c simcfs.Session) bool { return c.Tags["bos_session"] == id })
}

func (p *past) v2(id string) bool {
	record, err := p.systems.BOS.V2Session(context.Background(), id)
	return err == nil && record == inventory.Present
}

// near is what the manual procedure takes for a session's: what the batcher started from its start until half an hour
// after its end.
func (p *past) near(t testing.TB) (pairs []pair) {
	t.Helper()
	for _, id := range p.ids {
		record, err := p.systems.BOS.Get(t.Context(), id)
		if err != nil || record.Presence != inventory.Present {
			continue
		}
		end := cmp.Or(record.Stop.At(), p.life.Now()).Add(30 * time.Minute)
		for _, made := range p.CFS.Made() {
			if !made.At.Before(record.Start.At()) && made.At.Before(end) && strings.HasPrefix(made.Name, "batcher-") {
				pairs = append(pairs, pair{made.Name, id})
			}
		}
	}
	return pairs
}

// leastRecall is what must be found of what can be known.
const leastRecall = 0.95

// linkingWorlds returns the releases of the worlds in which links are measured, and how many there are of each:
// BOSGC_LINKING_N.
func linkingWorlds(t *testing.T) (releases []string, n int) {
	t.Helper()
	many := os.Getenv("BOSGC_LINKING_N")
	if many == "" {
		return []string{"1.0", "1.4", "1.5"}, 2
	}
	n, err := strconv.Atoi(many)
	if err != nil || n < 1 {
		t.Fatalf("BOSGC_LINKING_N=%q: expected a number of worlds", many)
	}
	return lab.Profiles(), n
}

// TestLinking measures how well CFS sessions are linked to sessions, and prints a table if BOSGC_LINKING_N is set. What
// is acted on must all be right.
func TestLinking(t *testing.T) {
	releases, n := linkingWorlds(t)
	out := io.Discard
	if os.Getenv("BOSGC_LINKING_N") != "" {
		out = os.Stdout
	}
	var all measured
	rows := map[string]measured{}
	for _, csm := range releases {
		for seed := range uint64(n) {
			p := newPast(t, csm, seed+1)
			p.live(t, 6)
			m := p.measure(t)
			row := rows[csm]
			row.add(m)
			rows[csm] = row
			all.add(m)
			_ = p.Close()
		}
	}
	table(out, releases, rows, all)
	if all.acted.said != all.acted.right {
		t.Errorf("%d of %d links that are acted on are wrong", all.acted.said-all.acted.right, all.acted.said)
	}
	if all.inferred.of < n {
		t.Errorf("only %d CFS sessions had to be inferred: this shows nothing", all.inferred.of)
	}
	if all.inferred.recall() < leastRecall {
		t.Errorf("%d of %d CFS sessions are inferred: less than %v", all.inferred.right, all.inferred.of, leastRecall)
	}
}

func table(out io.Writer, releases []string, rows map[string]measured, all measured) {
	fmt.Fprintf(out, "| CSM | links | tag: precision | recall | tag and inferred: precision | recall | proximity in time: precision | recall | inferred, of those whose sessions are there | of what can be known |\n")
	fmt.Fprintf(out, "|---|---|---|---|---|---|---|---|---|---|\n")
	row := func(name string, m measured) {
		fmt.Fprintf(out, "| %s | %d | %.3f | %.3f | %.3f | %.3f | %.3f | %.3f | %d of %d (%.3f) | %d of %d (%.3f) |\n", name, m.exact.of,
			m.exact.precision(), m.exact.recall(), m.acted.precision(), m.acted.recall(), m.proximity.precision(), m.proximity.recall(),
			m.there.right, m.there.of, m.there.recall(), m.inferred.right, m.inferred.of, m.inferred.recall())
	}
	for _, csm := range releases {
		row(csm, rows[csm])
	}
	row("all", all)
}
