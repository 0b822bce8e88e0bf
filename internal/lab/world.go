// Package lab simulates a CSM system over loopback: BOS, CFS and Kubernetes in their true
// wire formats, with the quirks of each release from CSM 1.0 to 1.6, filled with a world
// that is made from a seed, and with the truth about it.
//
// It imports nothing of the product. What a plan must say of each object is worked out from
// how the object was made, so that a test can hold the product against an independent
// witness.
package lab

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"bosgc/internal/lab/simbos"
	"bosgc/internal/lab/simcfs"
	"bosgc/internal/lab/simkube"
)

// Namespace is where BOA's Jobs and ConfigMaps live.
const Namespace = "services"

const day = 24 * time.Hour

// Options say which world to make.
type Options struct {
	CSM      string // release, such as 1.4
	Seed     uint64
	Sessions int // how many stories of sessions to tell; other objects come in proportion
	Nodes    int // compute nodes of the machine; 0 is 64
	// SessionNodes is of how many nodes a session is at most; 0 is 16.
	SessionNodes int
	Now          time.Time // all ages are counted back from here; zero is the time of the call
	// ListBytes is what BOS's session list has to carry. 0 takes what the sessions come
	// to, but leaves the list well below the size at which it hangs; less than 0 is what they come to.
	ListBytes int
	// Only names the stories to tell; empty is all that belong to the release.
	Only []string
}

// World is everything that exists on the simulated system when it is started.
type World struct {
	Options Options
	Profile Profile

	sessions   []simbos.Session
	v2         []simbos.V2Session
	cfs        []simcfs.Session
	components []simcfs.Component
	objects    []kubeObject
	bulk       *simkube.Bulk // more of them; nil: none
	truth      []Object
	facts      map[string]Fact
	links      map[string]Link
}

type kubeObject struct {
	resource string
	object   runtime.Object
}

// NewWorld makes a world. The same options make the same world.
func NewWorld(options Options) (*World, error) {
	profile, err := profileOf(options.CSM)
	if err != nil {
		return nil, err
	}
	if options.Now.IsZero() {
		options.Now = time.Now()
	}
	if options.Nodes <= 0 {
		options.Nodes = 64
	}
	b := newBuilder(&World{Options: options, Profile: profile})
	for _, name := range options.Only {
		if !slices.ContainsFunc(allStories(), func(s story) bool { return s.name == name }) {
			return nil, fmt.Errorf("no story %q", name)
		}
	}
	b.landscape()
	sessions, leftovers, cfs := options.Sessions, share(options.Sessions, 3), share(options.Sessions, 3)
	if !profile.BOSv1 {
		sessions, leftovers, cfs = 0, options.Sessions, share(options.Sessions, 2)
	}
	b.tell(sessionStories, sessions)
	b.tell(leftoverStories, leftovers)
	b.tell(cfsStories, cfs)
	b.fillComponents()
	b.truth = settle(b.families, b.alone)
	b.facts = b.factsOf()
	return b.World, nil
}

// share is one n-th, but never nothing of something.
func share(total, n int) int { return (total + n - 1) / n }

// Truth is what a first plan with default settings must say of each object that it lists,
// by kind and name.
func (w *World) Truth() []Object { return slices.Clone(w.truth) }

// Nodes names the compute nodes of the machine.
func (w *World) Nodes() []string { return nodeNames(w.Options.Nodes) }

// TruthDocument is Truth as the JSON of a truth file.
func (w *World) TruthDocument() []byte { return document(w.truth) }

// builder makes a world. It draws on nothing but its seed.
type builder struct {
	*World

	source   *rand.ChaCha8
	random   *rand.Rand
	now      time.Time
	nodes    []string
	families []*family
	alone    []member
	story    string
}

func newBuilder(w *World) *builder {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], w.Options.Seed)
	copy(seed[8:], w.Profile.CSM)
	source := rand.NewChaCha8(seed)
	return &builder{
		World: w, source: source, random: rand.New(source),
		now: w.Options.Now.UTC().Truncate(time.Second), nodes: nodeNames(w.Options.Nodes),
	}
}

// nodeNames gives the nodes their physical names: cabinet, chassis, slot, board, node.
func nodeNames(n int) []string {
	names := make([]string, 0, n)
	for i := range n {
		names = append(names, fmt.Sprintf("x%dc%ds%db%dn%d", 1000+i/256, i/32%8, i/4%8, i/2%2, i%2))
	}
	return names
}

// story is one thing that happens on a real system, as a function that makes its objects
// and says what is true of each.
type story struct {
	name   string
	weight int                // how often it is told among the ordinary ones; 0 is only in its turn
	when   func(Profile) bool // where it can happen; nil is everywhere
	tell   func(*builder)
}

func allStories() []story { return slices.Concat(sessionStories, leftoverStories, cfsStories) }

// Stories names the stories that belong to a release.
func Stories(csm string) ([]string, error) {
	profile, err := profileOf(csm)
	if err != nil {
		return nil, err
	}
	tables := [][]story{leftoverStories, cfsStories}
	if profile.BOSv1 {
		tables = append(tables, sessionStories)
	}
	var names []string
	for _, s := range slices.Concat(tables...) {
		if s.when == nil || s.when(profile) {
			names = append(names, s.name)
		}
	}
	return names, nil
}

// tell tells n stories of a table: two of five in a shuffled turn in which each comes up
// once, the others by weight, as ordinary life has it.
func (b *builder) tell(table []story, n int) {
	var turn, ordinary []story
	for _, s := range table {
		if s.when != nil && !s.when(b.Profile) {
			continue
		}
		if len(b.Options.Only) > 0 && !slices.Contains(b.Options.Only, s.name) {
			continue
		}
		turn = append(turn, s)
		for range s.weight {
			ordinary = append(ordinary, s)
		}
	}
	if len(turn) == 0 {
		return
	}
	b.random.Shuffle(len(turn), func(i, j int) { turn[i], turn[j] = turn[j], turn[i] })
	for i, next := 0, 0; i < n; i++ {
		chosen := turn[next%len(turn)]
		if i%5 > 1 && len(ordinary) > 0 {
			chosen = ordinary[b.random.IntN(len(ordinary))]
		} else {
			next++
		}
		b.story = chosen.name
		chosen.tell(b)
	}
}
