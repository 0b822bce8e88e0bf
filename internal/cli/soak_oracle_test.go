package cli

import (
	"cmp"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"bosgc/internal/lab"
)

// What must not go is told by four witnesses, of which none has seen the rules: how the story made an
// object (forbidden), how old it is by the story's own times (tooYoung), how it was at the very
// moment at which it went (unfit), and what was still there then (early).

// never are the stories' reasons by which an object stays, whatever the settings.
var never = []string{"running", "kept-by-rule", "not-ours", "in-use", "foreign", "bad-data", "clock-skew"}

// onDelete is called after each delete that was carried out, while nothing else changes that system.
func (s *soakWorld) onDelete(d lab.Deletion) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Kind == lab.KindConfigMap && strings.HasPrefix(d.Name, "bosgc-") {
		return // an old journal
	}
	s.deletions = append(s.deletions, d)
	key := name(d.Kind, d.Name)
	fact, known := s.world.Facts()[key]
	switch {
	case s.door == nil || s.step == nil || s.step.command != "sweep":
		s.violated("%s was deleted, and no sweep is under way", key)
	case !known:
		s.violated("%s was deleted, and is no object that is judged", key)
	case s.held[key] != "":
		s.violated("%s was deleted although it is held: %s", key, s.held[key])
	default:
		for _, why := range []string{s.forbidden(fact), s.settings.tooYoung(fact, s.clock()), unfit(d, s.clock()), s.early(fact)} {
			if why != "" {
				s.violated("%s was deleted: %s (story %s, %s %s)", key, why, fact.Story, fact.Verdict, fact.Reason)
			}
		}
	}
}

// early says what leads to an object of a session and would have to go before it. The caller holds the
// lock.
func (s *soakWorld) early(f lab.Fact) string {
	if f.Kind != lab.KindJob && f.Kind != lab.KindSession {
		return ""
	}
	if f.Kind == lab.KindJob && slices.Contains(s.server.BOS.IDs(), f.Session) {
		return "its session is still there"
	}
	for key, other := range s.world.Facts() {
		if other.Kind != lab.KindConfigMap || other.Session != f.Session || !other.GoesConfirmed() || s.held[key] != "" || s.leadsNowhere(key) {
			continue
		}
		if s.server.Kube.Has("configmaps", lab.Namespace, other.Name) {
			return "its ConfigMap " + other.Name + " is still there"
		}
	}
	return ""
}

// forbidden holds a delete against the story. The caller holds the lock.
func (s *soakWorld) forbidden(f lab.Fact) string {
	switch {
	case slices.Contains(never, f.Reason):
		return "it never goes"
	case f.Reason == "owner-kept" && slices.Contains(never, f.SessionReason):
		return "its session is " + f.SessionReason
	case f.Kind == lab.KindConfigMap && f.Confirmed == "orphaned" && s.sweeps < s.settings.sightings:
		return "it is an orphan, and too few sweeps have seen it"
	case s.settings.tuned:
		return s.settings.forbidden(f)
	case !f.GoesConfirmed():
		return "it stays"
	case !f.Goes() && s.sweeps < s.settings.sightings:
		return "it goes with an orphan, and too few sweeps have seen that"
	}
	return ""
}

// forbidden is what settings forbid besides ages.
func (s soakSettings) forbidden(f lab.Fact) string {
	switch {
	case f.Kind == lab.KindCFSSession && s.cfs == "off":
		return "BOSGC_CFS is off"
	case f.Kind == lab.KindCFSSession && s.cfs == "linked" && !f.Tagged:
		return "it names no session, and BOSGC_CFS is linked"
	case f.Session != "" && (f.Listed && !f.Ghost || f.HasJob) && s.keeps(f.Template):
		return "its template is kept"
	}
	return ""
}

func (s soakSettings) keeps(template string) bool {
	for pattern := range strings.SplitSeq(s.templates, ",") {
		if ok, _ := path.Match(pattern, template); ok && pattern != "" {
			return true
		}
	}
	return false
}

// tooYoung holds an object against the least age at which it may go. Where several rules could let it
// go, the least is that of the most generous.
func (s soakSettings) tooYoung(f lab.Fact, now time.Time) string {
	least, since := time.Duration(0), f.At
	switch {
	case f.Session == "" && f.Tagged:
		least = s.grace
	case f.Session == "":
		least = s.cfsTTL
	case f.Listed && !f.End.IsZero() && f.Failed:
		least, since = s.failedTTL, f.End
	case f.Listed && !f.End.IsZero():
		least, since = s.sessionTTL, f.End
	case f.Ghost && f.Created.IsZero():
		return ""
	case f.Ghost:
		least, since = s.grace, f.Created
	case f.Listed:
		least, since = s.abandonedTTL, f.Start
	default:
		least, since = s.grace, f.Start
	}
	// The fractions of seconds that BOS adds are not in the story.
	if age := now.Sub(since) + 2*time.Second; age < least {
		return "it is " + age.String() + " old, and stays for " + least.String()
	}
	return ""
}

// unfit looks at what an object was when it went.
func unfit(d lab.Deletion, now time.Time) string {
	if !d.Found {
		return "" // a ghost
	}
	switch d.Kind {
	case lab.KindConfigMap:
		return unfitConfigMap(d.Content, now)
	case lab.KindJob:
		var job batchv1.Job
		if err := json.Unmarshal(d.Content, &job); err != nil {
			return err.Error()
		}
		return protected(job.Annotations, now)
	case lab.KindCFSSession:
		var c struct {
			Status struct {
				Session struct {
					Status string `json:"status"`
				} `json:"session"`
			} `json:"status"`
		}
		if err := json.Unmarshal(d.Content, &c); err != nil {
			return err.Error()
		}
		if status := c.Status.Session.Status; status != "complete" {
			return "its status was " + status
		}
	}
	return ""
}

func unfitConfigMap(content []byte, now time.Time) string {
	var cm corev1.ConfigMap
	if err := json.Unmarshal(content, &cm); err != nil {
		return err.Error()
	}
	var body map[string]any
	err := json.Unmarshal([]byte(cm.Data["data.json"]), &body)
	_, object := body["boot_sets"].(map[string]any)
	switch {
	case err != nil || len(cm.Data) != 1 || len(cm.BinaryData) > 0 || !object:
		return "its content is none of a session"
	case len(cm.Labels) > 0 || len(cm.OwnerReferences) > 0:
		return "it had labels or an owner"
	}
	return protected(cm.Annotations, now)
}

func protected(annotations map[string]string, now time.Time) string {
	if value, ok := annotations["bosgc/keep"]; ok && value != "false" {
		return "it was annotated bosgc/keep"
	}
	if value, ok := annotations["bosgc/keep-until"]; ok {
		if until, err := time.Parse(time.RFC3339, value); err != nil || until.After(now) {
			return "it was annotated bosgc/keep-until"
		}
	}
	return ""
}

// newest says which sessions must be left of each template: as many of those that have ended as
// BOSGC_KEEP_LAST says.
func (s *soakWorld) newest() []string {
	byTemplate := map[string][]lab.Fact{}
	for _, f := range s.world.Facts() {
		if f.Kind == lab.KindSession && !f.End.IsZero() {
			byTemplate[f.Template] = append(byTemplate[f.Template], f)
		}
	}
	var names []string
	for _, sessions := range byTemplate {
		slices.SortFunc(sessions, func(a, b lab.Fact) int {
			return cmp.Or(b.End.Compare(a.End), cmp.Compare(b.Session, a.Session))
		})
		for i := range min(s.settings.keepLast, len(sessions)) {
			names = append(names, sessions[i].Name)
		}
	}
	return names
}
