// Package lab simulates a CSM system on loopback: BOS, CFS and Kubernetes in their real wire formats, with the quirks
// of each release from CSM 1.0 to 1.6, and a world of objects that is made from a seed, with the truth about it.
//
// It imports nothing of the product. What a plan must say about each object follows from how the object was made, so
// that a test can compare the product with an independent witness.
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
	CSM          string // release, such as 1.4
	Seed         uint64
	Sessions     int       // number of stories about sessions; other objects come in proportion
	Nodes        int       // compute nodes of the machine; default 64
	SessionNodes int       // most nodes of a session; default 16
	Now          time.Time // all ages count back from here; zero: the time of the call
	// ListBytes is the size of BOS's session list. 0: the size of the sessions, but well below that at which the list
	// hangs; negative: the size of the sessions.
	ListBytes int
	// Only names the stories to tell; empty: all that belong to the release.
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
	bulk       *simkube.Bulk   // more objects; may be nil
	gone       map[string]bool // session templates that BOS does not have any more
	truth      []Object
	released   []Object
	facts      map[string]Fact
	links      map[string]Link
}

type kubeObject struct {
	resource string
	object   runtime.Object
}

// NewWorld makes a world of stories. The same options make the same world.
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
			return nil, fmt.Errorf("unknown story %q", name)
		}
	}
	b.addUnrelated()
	sessions, leftovers, cfs := options.Sessions, oneIn(options.Sessions, 3), oneIn(options.Sessions, 3)
	if !profile.BOSv1 {
		sessions, leftovers, cfs = 0, options.Sessions, oneIn(options.Sessions, 2)
	}
	b.tell(sessionStories, sessions)
	b.tell(leftoverStories, leftovers)
	b.tell(cfsStories, cfs)
	if len(options.Only) > 0 {
		b.tell(openStories, options.Sessions)
	}
	b.fillComponents()
	b.released = resolveTruth(b.sessionTruths, b.otherTruths, doubts{}, b.now)
	b.facts = b.collectFacts()
	b.truth = resolveTruth(b.sessionTruths, b.otherTruths, b.findDoubts(), b.now)
	return b.World, nil
}

// oneIn returns one n-th of total, rounded up.
func oneIn(total, n int) int { return (total + n - 1) / n }

// Truth returns what a first plan with default settings must say about each object, by kind and name.
func (w *World) Truth() []Object { return slices.Clone(w.truth) }

// Released returns what a first plan must say once a person has released the guard, so that it does not matter whether
// the systems are shown to be one.
func (w *World) Released() []Object { return slices.Clone(w.released) }

// Nodes returns the compute nodes of the machine.
func (w *World) Nodes() []string { return nodeNames(w.Options.Nodes) }

// TruthDocument returns Truth as the JSON of a truth file.
func (w *World) TruthDocument() []byte { return objectsJSON(w.truth) }

// builder makes a world. All its randomness comes from the seed.
type builder struct {
	*World

	source          *rand.ChaCha8
	random          *rand.Rand
	now             time.Time
	nodes           []string
	sessionTruths   []*sessionTruth
	sessionBuilders []*sessionBuilder
	otherTruths     []objectTruth
	story           string
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

// nodeNames returns physical names of nodes: cabinet, chassis, slot, board, node.
func nodeNames(n int) []string {
	names := make([]string, 0, n)
	for i := range n {
		names = append(names, fmt.Sprintf("x%dc%ds%db%dn%d", 1000+i/256, i/32%8, i/4%8, i/2%2, i%2))
	}
	return names
}

// story is something that happens on a real system. Telling it makes its objects and what is true of each.
type story struct {
	name    string
	weight  int                // how often it is told as an ordinary story; 0: only in its turn
	applies func(Profile) bool // releases in which it can happen; nil: all
	tell    func(*builder)
}

func allStories() []story {
	return slices.Concat(sessionStories, leftoverStories, cfsStories, openStories)
}

// OpenStories returns the names of the stories of a release that bosgc does not do justice to yet. A world has them only
// if Options.Only names them.
func OpenStories(csm string) ([]string, error) {
	profile, err := profileOf(csm)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range openStories {
		if s.applies == nil || s.applies(profile) {
			names = append(names, s.name)
		}
	}
	return names, nil
}

// Stories returns the names of the stories that belong to a release.
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
		if s.applies == nil || s.applies(profile) {
			names = append(names, s.name)
		}
	}
	return names, nil
}

// tell tells n stories of a table: of each five, two in a shuffled order in which every story has its turn, and three
// by weight, as they happen on a real system.
func (b *builder) tell(table []story, n int) {
	var turn, ordinary []story
	for _, s := range table {
		if s.applies != nil && !s.applies(b.Profile) {
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
