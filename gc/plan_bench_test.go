package gc

import (
	"fmt"
	"testing"
	"time"

	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

var benchNow = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

var benchSettings = policy.Settings{
	SessionTTL: 168 * time.Hour, FailedTTL: 336 * time.Hour, AbandonedTTL: 720 * time.Hour, KeepLast: 3, OrphanGrace: 24 * time.Hour,
	OrphanSightings: 3, MaxOrphanPercent: 50, CFS: policy.CFSLinked, CFSTTL: 720 * time.Hour, CFSLink: policy.LinkExact,
}

// lists are what a system with n sessions gives, every second of which is to go: each has its Job, ConfigMap, one or
// two Pods and one or two CFS sessions.
func lists(n int) inventory.Seen {
	s := inventory.Seen{
		Unlisted: inventory.Absent, V1: inventory.Present,
		Evidence: inventory.Evidence{Jobs: true, Pods: true, ConfigMaps: true, CronJobs: true},
	}
	for i := range n {
		id := fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761%(1<<32), i)
		end := benchNow.Add(-time.Duration(i%2)*400*time.Hour - time.Duration(i%100)*time.Hour)
		begin, stamp := inventory.KnownStamp(end.Add(-time.Hour)), inventory.KnownStamp(end)
		job := inventory.JobName(id)
		s.SessionIDs = append(s.SessionIDs, id)
		s.Jobs = append(s.Jobs, inventory.Job{
			Name: job, UID: fmt.Sprintf("%036d", i), ResourceVersion: fmt.Sprint(i), Session: id, Template: fmt.Sprintf("template-%d", i%20),
			ConfigMap: id, Created: begin, Terminal: true, Finished: stamp, BackoffLimit: 4,
		})
		s.ConfigMaps = append(s.ConfigMaps, inventory.ConfigMap{
			Name: id, UID: fmt.Sprintf("%036d", n+i), ResourceVersion: fmt.Sprint(n + i), Created: begin, Body: inventory.BodyExact,
		})
		s.References = append(s.References, inventory.Reference{ConfigMap: id, Kind: "Job", Name: job, Session: id})
		for part := range 1 + i%2 {
			name := fmt.Sprintf("%s-%05d", job, part)
			s.Pods = append(s.Pods, inventory.Pod{Name: name, Job: job, Session: id, Over: true, Boa: inventory.Container{Terminated: true, Finished: stamp}})
			s.References = append(s.References, inventory.Reference{ConfigMap: id, Kind: "Pod", Name: name, Session: id})
			s.CFS = append(s.CFS, inventory.CFSSession{
				Name: fmt.Sprintf("batcher-%08x-0000-4000-8000-%012x", part, i), Configuration: "cos-config", Definition: "dynamic",
				Limit: "x1000c0s0b0n0,x1000c0s0b0n1", Status: "complete", Succeeded: "true", Start: begin, Completion: stamp, Tag: id,
			})
		}
	}
	return s
}

// judged is what collect makes of the lists, once BOS has answered for each session.
func judged(seen inventory.Seen) *collect.World {
	w := &collect.World{Seen: seen, Snapshot: inventory.Join(seen), HasBOSv1: true, List: &collect.SessionList{}}
	for _, g := range w.Snapshot.Groups {
		jobs, _ := g.Jobs()
		g.Record = inventory.Record{Presence: inventory.Present, Template: jobs[0].Template, Operation: "boot", Start: jobs[0].Created, Stop: jobs[0].Finished}
	}
	w.Snapshot.Ties = inventory.Ties{Kubernetes: inventory.Tie{Shown: true}, CFS: inventory.Tie{Shown: true}}
	w.Judge = policy.NewJudge(w.Snapshot, benchSettings, benchNow, policy.Memory{})
	w.Judge.Guard(w.Snapshot)
	return w
}

func eachSize(b *testing.B, run func(b *testing.B, sessions int)) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			run(b, n)
		})
	}
}

func BenchmarkJoin(b *testing.B) {
	eachSize(b, func(b *testing.B, n int) {
		for b.Loop() {
			b.StopTimer()
			seen := lists(n) // Join brings it into order
			b.StartTimer()
			inventory.Join(seen)
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	eachSize(b, func(b *testing.B, n int) {
		w := judged(lists(n))
		for b.Loop() {
			judge := policy.NewJudge(w.Snapshot, benchSettings, benchNow, policy.Memory{})
			for range judge.All(w.Snapshot) {
			}
		}
	})
}

func BenchmarkPlanFromLists(b *testing.B) {
	eachSize(b, func(b *testing.B, n int) {
		for b.Loop() {
			b.StopTimer()
			seen := lists(n)
			b.StartTimer()
			if p := judge(judged(seen), collect.Clients{}, Run{Options: collect.Options{Settings: benchSettings}}, benchNow); p.Summary.Delete == 0 || p.Summary.Keep == 0 {
				b.Fatalf("%+v is no plan to measure by", p.Summary)
			}
		}
	})
}
