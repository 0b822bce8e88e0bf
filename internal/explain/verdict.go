package explain

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/memory"
	"bosgc/policy"
)

// addFacts adds what the object is.
func (x *explainer) addFacts() {
	add := func(name, value string) {
		if value != "" {
			x.Facts = append(x.Facts, Fact{name, value})
		}
	}
	add("session", map[bool]string{true: x.Object.Session}[x.Object.Kind != policy.Session])
	switch x.Object.Kind {
	case policy.Session:
		x.sessionFacts(add)
	case policy.Job:
		jobs := slices.Clone(x.world.Snapshot.StrayJobs)
		if x.group != nil {
			jobs, _ = x.group.Jobs()
		}
		for _, job := range jobs {
			if job.Name == x.Object.Name {
				jobFacts(job, add)
			}
		}
	case policy.ConfigMap:
		cms, _ := x.group.ConfigMaps()
		for _, cm := range cms {
			if cm.Name == x.Object.Name {
				add("created", at(cm.Created))
				add("shape", cm.Fault)
				add("content", map[inventory.Body]string{
					inventory.BodyExact: "a session template, as BOS writes it", inventory.BodyOther: cm.BodyFault, inventory.BodyFailed: cm.BodyFault,
				}[cm.Body])
				add("used by", cm.User)
			}
		}
	default:
		for _, c := range x.world.Seen.CFS {
			if c.Name == x.Object.Name {
				cfsFacts(c, add)
			}
		}
	}
}

func (x *explainer) sessionFacts(add func(name, value string)) {
	record := x.group.Record
	add("listed by BOS", map[inventory.Presence]string{inventory.Present: "yes", inventory.Absent: "no", inventory.Unknown: "unknown"}[x.group.Listed])
	switch {
	case record.Presence == inventory.Absent:
		add("record in BOS", "none")
	case record.Err != "":
		add("record in BOS", record.Err)
	case record.Presence == inventory.Unknown && x.group.V1 != inventory.Absent:
		add("record in BOS", "not asked for: other evidence decides")
	}
	add("template", x.Object.Template)
	add("operation", record.Operation)
	add("started", at(record.Start))
	add("stopped", at(record.Stop))
	add("runs", x.world.Judge.Running(x.group))
}

func jobFacts(job inventory.Job, add func(name, value string)) {
	add("template", job.Template)
	add("created", at(job.Created))
	add("finished", at(job.Finished))
	add("ended as", map[bool]string{true: map[bool]string{true: "failed", false: "complete"}[job.Failed]}[job.Terminal])
	add("shape", job.Fault)
	add("bosgc clean", job.Cleaning)
}

func cfsFacts(c inventory.CFSSession, add func(name, value string)) {
	add("status", strings.TrimSuffix(c.Status+", succeeded "+c.Succeeded, ", succeeded "))
	add("configuration", c.Configuration)
	add("target", c.Definition)
	if n := len(c.Components()); n > 3 {
		add("limit", fmt.Sprintf("%d components: %s, …", n, strings.Join(c.Components()[:3], ", ")))
	} else {
		add("limit", c.Limit)
	}
	add("started", at(c.Start))
	add("completed", at(c.Completion))
	add("tag", cmp.Or(c.Tag, "none"))
}

// at formats a time; a text that is not a time is returned as it is.
func at(s inventory.Stamp) string {
	if s.Known() {
		return rfc3339(s.At())
	}
	return s.Raw
}

// keepingRules returns the rules that keep the object. The rules of its owner replace the rule that ties it to the
// owner.
func (x *explainer) keepingRules() []Rule {
	var all []Rule
	for _, r := range x.Rules {
		switch {
		case r.Verdict == policy.Delete:
		case r.Reason == policy.OwnerKept && x.Owner != nil:
			for _, r := range x.Owner.Rules {
				if r.Verdict != policy.Delete {
					all = append(all, r)
				}
			}
		default:
			all = append(all, r)
		}
	}
	return all
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (x *explainer) setEligible() {
	var latest time.Time
	var others []string
	for _, r := range x.keepingRules() {
		if !r.EligibleAt.IsZero() {
			latest = later(latest, r.EligibleAt)
		} else if !slices.Contains(others, string(r.Reason)) {
			others = append(others, string(r.Reason))
		}
	}
	switch {
	case x.Object.Verdict == "":
		x.Eligible = "nothing of it is left to delete but what is linked"
	case x.Object.Verdict == policy.Delete:
		x.Eligible = "now: the next sweep deletes it"
	case len(others) == 0 && !latest.IsZero():
		x.Eligible = "from " + rfc3339(latest)
	case latest.IsZero():
		x.Eligible = "not by age: " + strings.Join(others, ", ")
	default:
		x.Eligible = "not before " + rfc3339(latest) + ", and not while this applies: " + strings.Join(others, ", ")
	}
}

// addChanges adds what would change the verdict.
func (x *explainer) addChanges() {
	add := func(text, command string) {
		if c := (Change{text, command}); !slices.Contains(x.Changes, c) {
			x.Changes = append(x.Changes, c)
		}
	}
	if x.Object.Verdict == policy.Delete {
		x.addProtection(add)
		return
	}
	for _, r := range x.keepingRules() {
		x.addRemedy(r, add)
	}
}

// addProtection adds the ways to keep an object that is to be deleted.
func (x *explainer) addProtection(add func(text, command string)) {
	if x.group != nil {
		cms, _ := x.group.ConfigMaps()
		jobs, _ := x.group.Jobs()
		const all = "to keep it and all of its session"
		switch {
		case len(cms) > 0:
			add(all, x.annotate("configmap", cms[0].Name, "bosgc/keep=true"))
		case len(jobs) > 0:
			add(all, x.annotate("job", jobs[0].Name, "bosgc/keep=true"))
		}
	}
	if x.Object.Template != "" {
		add(fmt.Sprintf("to keep all sessions of its template: %q in %s", x.Object.Template, x.setting("BOSGC_KEEP_TEMPLATES")), "")
	}
	decisive := x.Rules
	if x.Owner != nil {
		decisive = slices.Concat(decisive, x.Owner.Rules)
	}
	for _, r := range decisive {
		for _, name := range r.Settings {
			add("to keep such ones longer: another value for "+x.setting(name), "")
		}
	}
}

func (x *explainer) setting(name string) string {
	return fmt.Sprintf("%s (now %q)", name, x.run.SettingsByName[name])
}

func (x *explainer) annotate(kind, name, annotation string) string {
	return fmt.Sprintf("kubectl -n %s annotate %s %s %s", x.Namespace, kind, name, annotation)
}

// addRemedy adds what ends the reason for which one rule keeps the object.
func (x *explainer) addRemedy(r Rule, add func(text, command string)) {
	clean := func(text string, request policy.Request) { x.addCleanup(text, request, add) }
	protectable := r.Reason == policy.OwnerKept || r.Reason == policy.BadData || r.Reason == policy.KeptByRule
	unprotect := protectable && x.addUnprotect(add)
	if text := r.Reason.Remedy(); text != "" && !unprotect {
		add(text, "")
	}
	switch r.Reason {
	case policy.Running:
		clean("to stop its session, and take it apart", policy.Cancel)
	case policy.BadData:
		if !unprotect {
			clean("to take its session apart all the same", policy.Clean)
		}
	case policy.NotOurs:
		x.addRemovalByHand(add)
	case policy.TooYoung, policy.KeptLast:
		clean("to take its session apart now, whatever its age", policy.Clean)
	case policy.AwaitingConfirmation, policy.OrphanGuard:
		clean("to take apart now what is left of its session", policy.Clean)
	default:
	}
	for _, name := range r.Settings {
		if r.Verdict == policy.Keep && r.Reason != policy.Running {
			add("another value for "+x.setting(name), "")
		}
	}
}

// addCleanup adds the command that takes the session apart, or why that would refuse: it is asked of the same rules.
func (x *explainer) addCleanup(text string, request policy.Request, add func(text, command string)) {
	session := x.Object.Session
	if !inventory.IsSessionID(session) || x.group == nil {
		return
	}
	command, g := "bosgc clean", x.group.WithListed(inventory.Present)
	if request == policy.Cancel {
		command, g = "bosgc clean --cancel", g.WithJobsStopped()
	}
	listed, _ := g.ConfigMaps()
	cms := slices.Clone(listed)
	for i := range cms {
		if cms[i].Body == inventory.BodyUnread { // whatever it is, "bosgc clean" reads it
			cms[i].Body = inventory.BodyExact
		}
	}
	g = g.WithConfigMaps(cms)
	settings := x.run.Settings
	settings.CFS = policy.CFSLinked
	judge := policy.NewJudge(&inventory.Snapshot{}, settings, x.CreatedAt, policy.Memory{
		Requested: map[string]policy.Request{session: request},
	})
	for _, d := range judge.Group(g) {
		if (d.Kind != policy.Session || x.world.HasBOSv1) && d.PreventsCleanup() {
			add(fmt.Sprintf("%s would refuse it, because of %s %s: %s", command, d.Kind, d.Name, d.Detail), "")
			return
		}
	}
	add(text, command+" "+session)
}

// plainID is an ID that a shell and a URL take as it is.
var plainID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// addRemovalByHand adds the command by which a person removes a session whose ID is not one that BOS v1 makes now. BOS
// made others long ago, and bosgc deletes none of them: it cannot tell them from what somebody else has written.
func (x *explainer) addRemovalByHand(add func(text, command string)) {
	id := x.Object.Name
	if x.Object.Kind != policy.Session || inventory.IsSessionID(id) || !plainID.MatchString(id) {
		return
	}
	add("to delete it by hand, if nothing needs it (before CSM 1.3: cray bos session delete)",
		"cray bos v1 session delete "+id)
}

// addForget adds the command that ends a protection by an object that has gone.
func (x *explainer) addForget(p memory.Protection, add func(text, command string)) {
	const text = "to take the protection away, which is remembered of an object that has gone"
	if cms, _ := x.group.ConfigMaps(); len(cms) > 0 {
		add(text, x.annotate("configmap", cms[0].Name, "bosgc/keep=false --overwrite"))
		return
	}
	add(text+", and to take the session apart ("+p.Kind+" "+p.Name+")", "bosgc clean "+x.group.ID)
}

// addUnprotect adds the commands that remove the protection of the session, and reports whether there is any.
func (x *explainer) addUnprotect(add func(text, command string)) (some bool) {
	if x.group == nil {
		return false
	}
	one := func(kind, name string, k inventory.Keep) {
		for _, a := range []struct {
			name  string
			value *string
		}{{"bosgc/keep", k.Keep}, {"bosgc/keep-until", k.Until}} {
			if a.value != nil {
				some = true
				add("to take the protection away", x.annotate(kind, name, a.name+"-"))
			}
		}
		if k.Odd != "" {
			some = true
			add("to take the annotation away that bosgc does not know", x.annotate(kind, name, k.Odd+"-"))
		}
	}
	if p, recalled := x.world.Judge.Remembered(x.group); recalled {
		some = true
		x.addForget(p, add)
	}
	jobs, _ := x.group.Jobs()
	for _, job := range jobs {
		one("job", job.Name, job.Keep)
	}
	cms, _ := x.group.ConfigMaps()
	for _, cm := range cms {
		one("configmap", cm.Name, cm.Keep)
	}
	return some
}
