package simbos

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// update is one of the changes in a PATCH of a boot set's status.
type update struct {
	Type  string          `json:"update_type"`
	Phase string          `json:"phase"`
	Data  json.RawMessage `json:"data"`
}

// patchBootSet writes after each update, so that those before one that fails are kept.
func (s *Server) patchBootSet(w http.ResponseWriter, r *http.Request, args []string) {
	var updates []update
	if !readBody(w, r, &updates) {
		return
	}
	record, err := s.bootSet(args[0], args[1])
	if err != nil {
		writeMissing(w, err)
		return
	}
	record.set.Phases = record.phases()
	for _, u := range updates {
		if err := u.apply(&record); err != nil {
			writeFailure(w, err)
			return
		}
		s.writeSet(args[0], record)
	}
	writeEmpty(w, http.StatusNoContent)
}

func (u update) apply(record *setRecord) error {
	i := indexPhase(record.set.Phases, u.Phase)
	switch u.Type {
	case "NodeChangeList":
		var move struct {
			Source      string   `json:"source"`
			Destination string   `json:"destination"`
			Nodes       []string `json:"node_list"`
		}
		if json.Unmarshal(u.Data, &move) != nil || i < 0 {
			return errInternal
		}
		return record.set.Phases[i].move(move.Source, move.Destination, move.Nodes)
	case "NodeErrorsList":
		var errors map[string][]string
		if i < 0 {
			return errMissing
		}
		if json.Unmarshal(u.Data, &errors) != nil {
			return errInternal
		}
		record.set.Phases[i].addErrors(errors)
	case "GenericMetadata":
		var times Times
		if json.Unmarshal(u.Data, &times) != nil {
			return errInternal
		}
		switch {
		case u.Phase == "boot_set":
			record.times.set(times)
		case i < 0:
			return errMissing
		default:
			record.set.Phases[i].Metadata.set(times)
		}
	}
	return nil
}

func (t *Times) set(given Times) {
	if !isUnset(given.Start) {
		t.Start = given.Start
	}
	if !isUnset(given.Stop) {
		t.Stop = given.Stop
	}
}

// move moves nodes from one category to another, even those that were not in it.
func (p *Phase) move(source, destination string, nodes []string) error {
	if source == destination {
		return nil
	}
	categories, found := slices.Clone(p.Categories), 0
	for i, category := range categories {
		kept := slices.DeleteFunc(slices.Clone(category.Nodes), func(n string) bool { return slices.Contains(nodes, n) })
		switch {
		case strings.EqualFold(category.Name, source):
			categories[i].Nodes = append([]string{}, kept...)
			found++
		case strings.EqualFold(category.Name, destination):
			categories[i].Nodes = slices.Concat(kept, nodes)
			found++
		}
	}
	if found < 2 {
		return errMissing
	}
	p.Categories = categories
	return nil
}

func (p *Phase) addErrors(errors map[string][]string) {
	all := map[string][]string{}
	for _, some := range []map[string][]string{p.Errors, errors} {
		for reason, nodes := range some {
			all[reason] = append(slices.Clone(all[reason]), nodes...)
		}
	}
	p.Errors = all
}
