package simkube

import "time"

// ExpireJobs removes the Jobs whose time to live is over, with their Pods, as the controller for it does. It returns
// their names.
func (s *Server) ExpireJobs(now time.Time) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, k := range s.keysOf("jobs") {
		job, _ := s.find(k)
		ttl, limited := job.lookup("spec", "ttlSecondsAfterFinished").(float64)
		finished := job.finishedAt()
		if !limited || finished.IsZero() || now.Before(finished.Add(time.Duration(ttl)*time.Second)) {
			continue
		}
		names = append(names, k.name)
		s.remove(k)
		for _, pod := range s.keysOf("pods") {
			if o, _ := s.find(pod); o.ownedBy(job.metaText("uid")) {
				s.remove(pod)
			}
		}
	}
	return names
}

// finishedAt returns when a Job finished; the zero time if it has not.
func (o object) finishedAt() time.Time {
	conditions, _ := o.lookup("status", "conditions").([]any)
	for _, c := range conditions {
		condition, _ := c.(map[string]any)
		if t := condition["type"]; (t == "Complete" || t == "Failed") && condition["status"] == "True" {
			text, _ := condition["lastTransitionTime"].(string)
			at, _ := time.Parse(time.RFC3339, text)
			return at
		}
	}
	return time.Time{}
}

func (o object) ownedBy(uid string) bool {
	owners, _ := o.metadata()["ownerReferences"].([]any)
	for _, owner := range owners {
		if fields, _ := owner.(map[string]any); fields["uid"] == uid {
			return true
		}
	}
	return false
}
