package cli

import (
	"math/rand/v2"
	"slices"
	"strings"

	"bosgc/internal/lab"
)

// soakWrong is a case in which one of the three systems is that of another CSM, of any release.
type soakWrong struct {
	system string // bos, cfs or kube
	world  *lab.World
	server *lab.Server
}

// drawWrong draws one wrong URL or context. Nothing else happens in such a case: no person and no crash, but faults.
func (c *soakCase) drawWrong(r *rand.Rand) error {
	world, err := lab.NewWorld(lab.Options{
		CSM: oneOf(r, lab.Profiles()...), Seed: c.seed + 1<<32, Sessions: oneOf(r, 0, 1, 2, 3, 12), Now: soakNow,
	})
	if err != nil {
		return err
	}
	w := &soakWrong{system: oneOf(r, "bos", "cfs", "kube"), world: world}
	bos, kube := c.world, c.world
	switch w.system {
	case "bos":
		bos = world
	case "kube":
		kube = world
	}
	// After a release by a person, and where nothing distinguishes the systems, what is said here does not hold.
	indistinct := lab.Indistinct(bos, kube) || w.system == "cfs" && !world.NamesSessions()
	if indistinct || c.settings.percent == 100 {
		return nil
	}
	c.wrong, c.serve.Gateway = w, false
	for _, step := range c.steps {
		step.changes, step.crash = nil, nil
	}
	return nil
}

// start serves the other system. Nothing of it may be deleted.
func (w *soakWrong) start(s *soakWorld) (err error) {
	w.server, err = lab.Start(w.world, lab.ServerOptions{Clock: s.clock, OnDelete: func(d lab.Deletion) {
		if !strings.HasPrefix(d.Name, "bosgc-") {
			s.violate("%s of another system was deleted", name(d.Kind, d.Name))
		}
	}})
	return err
}

// wire returns how a run reaches the systems.
func (w *soakWrong) wire(kubeconfig string, env []string) (string, []string) {
	if w == nil {
		return kubeconfig, env
	}
	if w.system == "kube" {
		w.server.Kube.Remove("leases", lab.Namespace, "bosgc")
		return w.server.Kubeconfig(), env
	}
	variable := map[string]string{"bos": "BOSGC_BOS_URL=", "cfs": "BOSGC_CFS_URL="}[w.system]
	return kubeconfig, append(slices.Clone(env), variable+w.server.URL(w.system))
}

// forbids reports whether nothing may be deleted at all. Nothing of BOS and Kubernetes depends on CFS.
func (w *soakWrong) forbids() bool { return w != nil && w.system != "cfs" }
