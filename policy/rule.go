package policy

// rule is one question about an object. Each kind has one table of rules, in the order of docs/policy.md, which the
// judge and Explain both read.
type rule struct {
	name     string
	evaluate func(*Judge, *facts) *ruling // nil: the rule does not apply
	settings []string                     // that its ruling depends on
	ttl      bool                         // it also depends on how long sessions are kept
	// ended marks rules that make sense only for what has ended, was read completely and has times that can be
	// trusted: Explain skips them otherwise.
	ended bool
	// times marks rules that doubt a time.
	times bool
	// undecided marks rules whose evidence is collected only for objects that no earlier rule decides.
	undecided bool
	// final marks rules after which no other rule applies, even to explain.
	final bool
	// veto marks rules that are asked only about what the others would delete, or take for an orphan.
	veto bool
}

// decide returns the ruling of the first rule that applies, or of a veto of it.
func (j *Judge) decide(rules []rule, f *facts) *ruling {
	var decided *ruling
	for _, r := range rules {
		if r.veto != (decided != nil) || r.veto && !decided.leadsToDelete() {
			continue
		}
		if ruling := r.evaluate(j, f); ruling != nil {
			decided = ruling
		}
	}
	if decided == nil {
		return unknown(BadData, "no rule applies")
	}
	return decided
}

// settingsFor returns the names of the settings that the rule's ruling depends on.
func (r rule) settingsFor(f *facts) []string {
	switch {
	case !r.ttl:
		return r.settings
	case f.end.IsZero():
		return append([]string{"BOSGC_ABANDONED_TTL"}, r.settings...)
	case f.failed:
		return append([]string{"BOSGC_FAILED_TTL"}, r.settings...)
	}
	return append([]string{"BOSGC_SESSION_TTL"}, r.settings...)
}
