package bench

import "time"

// plan is what one run measures.
type plan struct {
	sizes    []Size
	services []time.Duration // service times of the simulated systems
	growth   bool            // only the growth of bosgc is measured, with the floor as the only other contender
	real     func(Size) bool // sizes to measure on a real API server, too
}

// large is the size of ConfigMaps of which a hundred thousand are not worth reading.
const large = 100 << 10

// plans are what the targets of the Makefile measure.
var plans = map[string]*plan{
	"quick": {
		sizes: []Size{
			{10_000, 50, 100_000, 1 << 10},
			{10_000, 0, 100_000, 1 << 10},
			{10_000, 50, 100_000, large},
		},
		services: []time.Duration{0, 5 * time.Millisecond},
		real:     func(s Size) bool { return s.ForeignBytes < large },
	},
	"growth": {
		sizes:    []Size{{1000, growing, 10_000, 1 << 10}, {10_000, growing, 100_000, 1 << 10}, {100_000, growing, 1_000_000, 1 << 10}},
		services: []time.Duration{0},
		real:     func(Size) bool { return false },
		growth:   true,
	},
	"full": {
		sizes:    fullSizes(),
		services: []time.Duration{0, 5 * time.Millisecond},
		// It would take etcd longer to load more than to measure it.
		real: func(s Size) bool { return s.Sessions <= 10_000 && s.Garbage != 100 && s.ForeignBytes < large },
	},
	"small": {
		sizes:    []Size{{1000, 50, 10_000, 1 << 10}, {1000, 0, 10_000, 1 << 10}},
		services: []time.Duration{0, 5 * time.Millisecond},
		real:     func(Size) bool { return true },
	},
}

// growing is the percentage of garbage with which worlds of different sizes are compared. It is the
// largest that one sweep can delete at 100,000 sessions: the journal of a sweep has room for 16 MiB,
// about 90,000 objects.
const growing = 20

func fullSizes() (sizes []Size) {
	for _, sessions := range []int{1000, 10_000, 100_000} {
		shares := []int{0, 1, growing, 50, 100}
		if sessions == 100_000 {
			shares = []int{0, 1, growing}
		}
		for _, garbage := range shares {
			sizes = append(sizes, Size{sessions, garbage, 10 * sessions, 1 << 10})
		}
		sizes = append(sizes, Size{sessions, min(50, shares[len(shares)-1]), 10 * sessions, large})
	}
	return sizes
}

// worthwhile reports whether a contender is measured in a world. Where nothing is deleted, only
// reading is compared. Large ConfigMaps are there for the memory of contenders that do not read them.
// A contender that reads all bodies at once does not read those of a million ConfigMaps.
func (p *plan) worthwhile(c Contender, w *World) bool {
	if p.growth || w.Garbage == 0 || w.ForeignBytes >= large {
		return c.Name == bosgc || c.Name == floor
	}
	return c.Name != peer || w.Sessions <= 10_000
}
