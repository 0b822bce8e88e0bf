package policy

// rule is one question. Those of a kind are asked in order, and the first that has something to say decides. The order
// is that of docs/policy.md.
type rule struct {
	name     string
	settings []string // that its answer hangs on
	// ended marks those that make sense only of what has ended and was read completely.
	ended bool
	says  func() *ruling // nil is "not my business"
}

// first gives what the first rule says that says anything; nil if none does.
func first(rules []rule) *ruling {
	for _, r := range rules {
		if said := r.says(); said != nil {
			return said
		}
	}
	return nil
}

// always is a rule whose answer is known already.
func always(name string, r *ruling) rule { return rule{name: name, says: func() *ruling { return r }} }

// shape is the rule that an object has exactly the shape of what BOS makes.
func shape(fault string) rule {
	if fault == "" {
		return always("shape", nil)
	}
	return always("shape", keep(NotOurs, fault))
}
