package lab

import (
	"strings"
	"time"

	"bosgc/internal/lab/simbos"
	"bosgc/internal/lab/simcfs"
)

func join(nodes []string) string { return strings.Join(nodes, ",") }

// cfsStories are about CFS sessions without a session in BOS v1.
var cfsStories = []story{
	{"cfs-untagged-old", 5, nil, func(b *builder) { b.untagged(b.ago(8*day, 60*day), cfsExpired) }},
	{"cfs-untagged-young", 4, nil, func(b *builder) { b.untagged(b.ago(time.Hour, 6*day), tooYoung) }},
	{"cfs-untagged-running", 0, nil, func(b *builder) { b.untagged(b.ago(0, time.Hour), running, cfsRunning) }},
	{"cfs-stuck-for-weeks", 0, nil, func(b *builder) {
		b.untagged(b.ago(20*day, 40*day), running, pick(b, cfsRunning, cfsPending))
	}},
	{"cfs-by-a-person", 1, nil, func(b *builder) {
		b.foreignCFS(named(pick(b, "fix-ntp", "rerun-site", "example") + "-" + b.uuid()[:6]))
	}},
	{"cfs-image-build", 1, nil, func(b *builder) { b.foreignCFS(named("sat-bootprep-"+b.uuid()[:8]), imageBuild) }},
	{"cfs-image-build-batcher-name", 0, nil, func(b *builder) { b.foreignCFS(imageBuild) }},
	{"cfs-batcher-look-alike", 0, nil, func(b *builder) {
		b.foreignCFS(named(pick(b, "batcher-", "batcher-test-", "my-batcher-") + b.uuid()[:8]))
	}},
	{"cfs-batcher-other-uuid", 0, nil, func(b *builder) {
		b.foreignCFS(named("batcher-" + b.uuid()[:14] + "1" + b.uuid()[15:]))
	}},
	{"cfs-without-limit", 0, nil, func(b *builder) { b.foreignCFS(func(c *simcfs.Session) { c.Limit = "" }) }},
	{"cfs-by-a-person-running", 0, nil, func(b *builder) { b.foreignCFS(named("rerun-"+b.uuid()[:6]), cfsRunning) }},
	{"cfs-of-bos-v2", 3, onlyWithBOSv2, tellCFSOfV2},
	{"cfs-of-bos-v2-running", 0, onlyWithBOSv2, tellCFSOfV2Running},
	{"cfs-of-bos-v2-tenant", 0, onlyWithTenants, tellCFSOfTenant},
	{"cfs-of-gone-session", 4, nil, func(b *builder) { b.tagged(b.uuid(), b.ago(8*day, 20*day), awaitingConfirmation) }},
	{"cfs-of-gone-session-young", 1, nil, func(b *builder) { b.tagged(b.uuid(), b.ago(time.Hour, 6*day), tooYoung) }},
	{"cfs-of-gone-session-running", 0, nil, func(b *builder) {
		b.tagged(b.uuid(), b.ago(2*day, 20*day), running, cfsRunning)
	}},
	{"cfs-tag-chosen-name", 0, nil, func(b *builder) {
		b.tagged(pick(b, "my-boot", "nightly-2023", "reboot_x1000"), b.ago(2*day, 20*day), foreign)
	}},
	{"cfs-tag-legacy", 0, nil, func(b *builder) { b.tagged("st3-"+b.uuid()[:13], b.ago(2*day, 20*day), foreign) }},
	{"cfs-tag-upper-case", 0, nil, func(b *builder) {
		b.tagged(strings.ToUpper(b.uuid()), b.ago(2*day, 20*day), foreign)
	}},
	{"cfs-other-tags", 0, nil, func(b *builder) {
		b.untagged(b.ago(8*day, 60*day), cfsExpired, func(c *simcfs.Session) { c.Tags = map[string]string{"owner": "site"} })
	}},
	{"cfs-no-completion-old", 1, nil, func(b *builder) {
		b.untagged(b.ago(8*day, 60*day), cfsExpired, withoutCompletion)
	}},
	{"cfs-no-completion-young", 0, nil, func(b *builder) {
		b.untagged(b.ago(time.Hour, 6*day), tooYoung, withoutCompletion)
	}},
	{"cfs-no-start", 0, nil, func(b *builder) { b.untagged(b.ago(8*day, 60*day), cfsExpired, withoutStart) }},
	{"cfs-no-times", 0, nil, func(b *builder) {
		b.untagged(b.ago(8*day, 60*day), badData, withoutStart, withoutCompletion)
	}},
	{"cfs-no-times-tagged", 0, nil, func(b *builder) {
		b.tagged(b.uuid(), b.ago(8*day, 60*day), badData, withoutStart, withoutCompletion)
	}},
	{"cfs-completion-unreadable", 0, nil, func(b *builder) {
		b.untagged(b.ago(8*day, 60*day), badData, completed(pick[any](b, "soon", "None", "2023-02-31T25:00:00")))
	}},
	{"cfs-completion-unreadable-tagged", 0, nil, func(b *builder) {
		b.tagged(b.uuid(), b.ago(8*day, 60*day), badData, completed("soon"))
	}},
	{"cfs-completion-in-future", 0, nil, func(b *builder) {
		b.untagged(b.ago(8*day, 60*day), clockSkew, completed(cfsText(b.now.Add(20*day))))
	}},
	{"cfs-completion-in-future-tagged", 0, nil, func(b *builder) {
		b.tagged(b.uuid(), b.ago(8*day, 60*day), clockSkew, completed(cfsText(b.now.Add(20*day))))
	}},
	{"cfs-status-odd", 0, nil, func(b *builder) {
		b.untagged(b.ago(8*day, 60*day), badData, func(c *simcfs.Session) { c.Status = pick(b, "", "done", "COMPLETE") })
	}},
}

func (b *builder) addCFSSession(start time.Time, want verdict, change ...func(*simcfs.Session)) simcfs.Session {
	first := b.random.IntN(len(b.nodes))
	nodes := b.nodes[first:min(len(b.nodes), first+1+b.random.IntN(25))]
	c := b.newBatch(start, nodes, pick(b, "cos-config-2.4", "cos-config-2.5", "uan-config", "gpu-config"))
	for _, f := range change {
		f(&c)
	}
	b.cfs = append(b.cfs, c)
	b.otherTruths = append(b.otherTruths, objectTruth{Object{Kind: KindCFSSession, Name: c.Name, Story: b.story}, want})
	return c
}

func (b *builder) untagged(start time.Time, want verdict, change ...func(*simcfs.Session)) {
	b.addCFSSession(start, want, change...)
}

func (b *builder) tagged(session string, start time.Time, want verdict, change ...func(*simcfs.Session)) {
	c := func(c *simcfs.Session) { c.Tags = map[string]string{"bos_session": session} }
	b.addCFSSession(start, want, append([]func(*simcfs.Session){c}, change...)...)
}

// foreignCFS adds a complete CFS session that has expired, but does not come from BOS v1.
func (b *builder) foreignCFS(change ...func(*simcfs.Session)) {
	b.addCFSSession(b.ago(8*day, 60*day), foreign, change...)
}

func named(name string) func(*simcfs.Session) { return func(c *simcfs.Session) { c.Name = name } }

func imageBuild(c *simcfs.Session) {
	c.Definition, c.Limit, c.Groups = "image", "", []string{"Compute"}
}

func completed(at any) func(*simcfs.Session) { return func(c *simcfs.Session) { c.Completion = at } }

func withoutCompletion(c *simcfs.Session) { c.Completion = nil }

// withoutStart removes the field. Records that were made through v1 have it, as null.
func withoutStart(c *simcfs.Session) { c.Start, c.NoStart = nil, true }

func (b *builder) addV2Session(start time.Time, end any, status string) simbos.V2Session {
	v := simbos.V2Session{
		Name: b.uuid(), Operation: "reboot", Template: b.template(),
		Start: start.Format(cfsForm), End: end, Status: status,
	}
	b.v2 = append(b.v2, v)
	return v
}

// BOS v2 tags its CFS sessions as v1 does.
func tellCFSOfV2(b *builder) {
	start := b.ago(2*day, 20*day)
	v := b.addV2Session(start, start.Add(time.Hour).Format(cfsForm), "complete")
	for range 1 + b.random.IntN(3) {
		b.tagged(v.Name, start.Add(b.between(time.Minute, 30*time.Minute)), foreign)
	}
}

// A tenant's session has tags like any other.
func tellCFSOfTenant(b *builder) {
	start := b.ago(2*day, 20*day)
	v := b.addV2Session(start, start.Add(time.Hour).Format(cfsForm), "complete")
	b.v2[len(b.v2)-1].Tenant = "vcluster-blue"
	b.tagged(v.Name, start.Add(time.Minute), foreign)
}

func tellCFSOfV2Running(b *builder) {
	start := b.ago(5*time.Minute, time.Hour)
	v := b.addV2Session(start, nil, "running")
	b.tagged(v.Name, start.Add(time.Minute), foreign)
	b.tagged(v.Name, start.Add(2*time.Minute), running, cfsRunning)
}

func splitLimit(limit string) []string {
	if limit == "" {
		return nil
	}
	return strings.Split(limit, ",")
}
