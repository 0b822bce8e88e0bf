package simcfs

import (
	"crypto/sha1"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Made is a CFS session that somebody made while the system lived, deleted or not.
type Made struct {
	Name, Configuration string
	At                  time.Time
	Nodes               []string
	Tags                map[string]string
	// Owners are the sessions that had set the configurations the batcher acted on, sorted; an empty
	// one is somebody else. There is none for a CFS session that the batcher did not make.
	Owners []string
}

// Pace says how CFS sessions get on.
type Pace struct {
	Pending, Run time.Duration
	// Fails says whether the configuration of a node fails in a CFS session; nil is never.
	Fails func(session Session, node string) bool
}

// Run makes a CFS session that runs, as anybody may; its state and times are set here.
func (s *Server) Run(session Session, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run(session, now, nil)
}

func (s *Server) run(session Session, now time.Time, owners []string) {
	session.Status, session.Succeeded = "pending", "none"
	session.Start, session.Completion = now.UTC().Format(timeForm), nil
	s.sessions[session.Name] = session
	s.alive[session.Name] = now
	s.made = append(s.made, Made{
		Name: session.Name, Configuration: session.Configuration, At: now,
		Nodes: strings.Split(session.Limit, ","), Tags: session.Tags, Owners: owners,
	})
}

const timeForm = "2006-01-02T15:04:05"

// Work lets the CFS sessions that run get on: one is pending, then running, then complete, and then its
// components have the layer. One whose record is gone stops where it is. Sessions that were put into
// the database by Add stay as they are.
func (s *Server) Work(now time.Time, pace Pace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.alive)) {
		session, ok := s.sessions[name]
		if !ok {
			delete(s.alive, name)
			continue
		}
		since := s.alive[name]
		switch {
		case session.Status == "pending" && now.Sub(since) >= pace.Pending:
			session.Status = "running"
			s.sessions[name], s.alive[name] = session, now
		case session.Status == "running" && now.Sub(since) >= pace.Run:
			s.complete(session, now, pace)
			delete(s.alive, name)
		}
	}
}

// complete writes the layer into the state of each component, and whether it failed there.
func (s *Server) complete(session Session, now time.Time, pace Pace) {
	session.Status, session.Succeeded = "complete", "true"
	session.Completion = now.UTC().Format(timeForm)
	for id := range strings.SplitSeq(session.Limit, ",") {
		component, ok := s.components[id]
		if !ok {
			continue
		}
		failed := pace.Fails != nil && pace.Fails(session, id)
		if failed {
			session.Succeeded = "false"
		}
		component.Layers = []Layer{{
			CloneURL: "https://api-gw-service-nmn.local/vcs/cray/cos-config-management.git", Playbook: "site.yml",
			Commit: commitOf(session.Configuration), LastUpdated: now.UTC().Format(timeForm) + "Z",
			SessionName: session.Name, Failed: failed,
		}}
		component.Status = component.status(s.options.Batcher.RetryPolicy)
		s.components[id] = component
	}
	s.sessions[session.Name] = session
}

// commitOf is the commit that a configuration names: one that differs from any other's.
func commitOf(configuration string) string {
	return fmt.Sprintf("%x", sha1.Sum([]byte(configuration)))
}

// status is what CFS makes of a component's state. The layer of another configuration is none.
func (c Component) status(retryPolicy int) string {
	switch {
	case c.DesiredConfig == "" && len(c.Layers) > 0:
		return "configured"
	case c.DesiredConfig == "":
		return "unconfigured"
	case c.hasLayer() && !c.Layers[0].Failed:
		return "configured"
	case c.ErrorCount >= retryPolicy:
		return "failed"
	}
	return "pending"
}

func (c Component) hasLayer() bool {
	return len(c.Layers) == 1 && c.Layers[0].Commit == commitOf(c.DesiredConfig)
}

func (c Component) failed() bool { return c.hasLayer() && c.Layers[0].Failed }

// Alive says whether any CFS session runs, or any component waits for one.
func (s *Server) Alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.alive) > 0 {
		return true
	}
	for _, component := range s.components {
		if component.Enabled && component.Status == "pending" {
			return true
		}
	}
	return false
}
