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

// Four witnesses tell which objects must not be deleted. None of them knows the rules: how the story made an object
// (forbidden), how old it is by the story's own times (tooYoung), what it was at the moment of its delete (unfit), and
// what was still there then (early).

// never are the stories' reasons for which an object is kept with any settings.
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
	fact, known := s.fact(key)
	switch {
	case s.door == nil || s.step == nil || s.step.command != "sweep":
		s.violated("%s was deleted although no sweep is under way", key)
	// While BOS does not answer in time, CFS and Kubernetes alone decide about what names no session, and they are right.
	case s.wrong.forbids() && (s.wrong.system != "bos" || fact.Kind != lab.KindCFSSession || fact.Session != ""):
		s.violated("%s was deleted although %s is that of another system (story %s)", key, s.wrong.system, fact.Story)
	case !known:
		s.violated("%s was deleted although it is not a judged object", key)
	case s.held[key] != "":
		s.violated("%s was deleted although it is held: %s", key, s.held[key])
	default:
		for _, why := range []string{s.forbidden(fact), s.settings.tooYoung(fact, s.clock()), unfit(d, s.clock()), s.early(fact), s.severed(fact)} {
			if why != "" {
				s.violated("%s was deleted: %s (story %s, %s %s)", key, why, fact.Story, fact.Verdict, fact.Reason)
			}
		}
	}
}

// early describes what leads to an object of a session and should have been deleted before it. The caller must hold mu.
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

// forbidden compares a delete with the story. The caller must hold mu.
func (s *soakWorld) forbidden(f lab.Fact) string {
	switch {
	case slices.Contains(never, f.Reason):
		return "it must never be deleted"
	case f.Reason == "owner-kept" && slices.Contains(never, f.SessionReason):
		return "its session is " + f.SessionReason
	case f.Kind != lab.KindJob && f.Confirmed == "orphaned" && s.sweeps < s.settings.sightings:
		return "it is an orphan, but too few sweeps have seen it"
	case s.settings.tuned:
		return s.settings.forbidden(f)
	case !f.GoesConfirmed():
		return "it is to be kept"
	case !f.Goes() && s.sweeps < s.settings.sightings:
		return "it is deleted with an orphan, but too few sweeps have seen that"
	}
	return ""
}

// forbidden checks the settings other than ages.
func (s soakSettings) forbidden(f lab.Fact) string {
	switch {
	case f.Kind == lab.KindCFSSession && s.cfs == "off":
		return "BOSGC_CFS is off"
	case f.Kind == lab.KindCFSSession && s.cfs == "linked" && f.Tag == "":
		return "it names no session, and BOSGC_CFS is linked"
	case f.Session != "" && (f.Listed && !f.Ghost || f.HasJob) && s.keeps(f.Template):
		return "its template is kept"
	case f.Kind == lab.KindConfigMap && f.Confirmed == "orphaned" && s.keeps(f.Template):
		return "it names a template that is kept"
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

// tooYoung compares an object's age with the least age at which it may be deleted. If several rules could allow the
// delete, the most generous one counts.
func (s soakSettings) tooYoung(f lab.Fact, now time.Time) string {
	least, since := time.Duration(0), f.At
	switch {
	case f.Session == "" && f.Tag != "", f.Kind == lab.KindCFSSession && !f.Listed:
		least = max(s.grace, s.cfsTTL)
		since = f.At
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
	case !s.v1 && f.Failed:
		least, since = s.failedTTL, f.Start
	case !s.v1:
		least, since = s.sessionTTL, f.Start
	default:
		least, since = s.grace, f.Start
	}
	// The story does not have the fractions of seconds that BOS adds.
	if age := now.Sub(since) + 2*time.Second; age < least {
		return "it is " + age.String() + " old, and is kept for " + least.String()
	}
	return ""
}

// unfit examines what an object was at its delete.
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
		if job.DeletionTimestamp != nil {
			return "it was being deleted already"
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
		return "its content is not that of a session"
	case cm.DeletionTimestamp != nil:
		return "it was being deleted already"
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

// newest returns the sessions of each template that must be left: the BOSGC_KEEP_LAST newest boots that have ended, for
// BOSGC_KEEP_LAST_FOR.
func (s *soakWorld) newest() []string {
	byTemplate := map[string][]lab.Fact{}
	for _, f := range s.world.Facts() {
		lost := s.accident != nil && s.accident.happened && s.accident.lost[f.Session]
		if f.Kind == lab.KindSession && f.Boots && !f.Ghost && !f.End.IsZero() && !lost {
			byTemplate[f.Template] = append(byTemplate[f.Template], f)
		}
	}
	var names []string
	for _, sessions := range byTemplate {
		slices.SortFunc(sessions, func(a, b lab.Fact) int {
			return cmp.Or(b.End.Compare(a.End), cmp.Compare(b.Session, a.Session))
		})
		for i := range min(s.settings.keepLast, len(sessions)) {
			if limit := s.settings.keepLastFor; limit == 0 || s.clock().Before(sessions[i].End.Add(limit)) {
				names = append(names, sessions[i].Name)
			}
		}
	}
	return names
}
