package simbos

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

func (s *Server) getBootSet(w http.ResponseWriter, _ *http.Request, args []string) {
	record, err := s.bootSet(args[0], args[1])
	if err != nil {
		writeMissing(w, err)
		return
	}
	code := http.StatusOK
	if s.options.Created201 {
		code = http.StatusCreated
	}
	writeBootSet(w, code, args[0], record)
}

func writeBootSet(w http.ResponseWriter, code int, id string, record setRecord) {
	self := "/v1/session/" + id + "/status/" + record.set.Name
	links := []map[string]string{{"rel": "self", "href": self}}
	phases := []any{}
	for _, phase := range record.phases() {
		links = append(links, map[string]string{"rel": "Phase", "href": self + "/" + phase.Name})
		answer, err := phase.answer()
		if err != nil {
			writeFailure(w, err)
			return
		}
		phases = append(phases, answer)
	}
	all, err := record.progress()
	if err != nil {
		writeFailure(w, err)
		return
	}
	writeJSON(w, code, map[string]any{
		"name": record.set.Name, "session": id, "links": links, "phases": phases,
		"metadata": all.metadata(record.times),
	})
}

func (p Phase) answer() (map[string]any, error) {
	now, err := p.progress()
	if err != nil {
		return nil, err
	}
	answer := map[string]any{"name": p.Name, "metadata": now.metadata(p.Metadata), "categories": p.Categories}
	if p.Errors != nil {
		answer["errors"] = p.Errors
	}
	return answer, nil
}

// phase returns the status of a phase. Nothing heeds that the boot set or the phase is missing.
func (s *Server) phase(id, set, name string) (Phase, error) {
	record, err := s.bootSet(id, set)
	if err != nil {
		return Phase{}, err
	}
	phases := record.phases()
	i := indexPhase(phases, name)
	if i < 0 {
		return Phase{}, errMissing
	}
	return phases[i], nil
}

func indexPhase(phases []Phase, name string) int {
	return slices.IndexFunc(phases, func(p Phase) bool { return strings.EqualFold(p.Name, name) })
}

func (s *Server) getPhase(w http.ResponseWriter, _ *http.Request, args []string) {
	phase, err := s.phase(args[0], args[1], args[2])
	if err == nil {
		var answer map[string]any
		if answer, err = phase.answer(); err == nil {
			writeJSON(w, http.StatusOK, answer)
			return
		}
	}
	writeFailure(w, err)
}

// getCategory looks for the phase in another way than getPhase, so that an unknown one is a 500.
func (s *Server) getCategory(w http.ResponseWriter, _ *http.Request, args []string) {
	record, err := s.bootSet(args[0], args[1])
	if err != nil {
		writeFailure(w, err)
		return
	}
	phases := record.phases()
	i := indexPhase(phases, args[2])
	if i < 0 {
		writeInternalError(w)
		return
	}
	nodes, err := phases[i].nodes(args[3])
	if err != nil {
		writeFailure(w, err)
		return
	}
	writeJSON(w, http.StatusOK, Category{args[3], nodes})
}

// phaseName is how the specification checks the name of a phase up to 2.0.5. The anchors do not hold the alternatives
// together.
var phaseName = regexp.MustCompile("^boot|configure|shutdown$")

// postBootSet makes the status of a boot set, unless there is one.
func (s *Server) postBootSet(w http.ResponseWriter, r *http.Request, args []string) {
	var body struct {
		Metadata Times   `json:"metadata"`
		Phases   []Phase `json:"phases"`
	}
	if !readBody(w, r, &body) {
		return
	}
	for _, phase := range body.Phases {
		if !s.options.since("2.0.47") && !phaseName.MatchString(phase.Name) {
			writeBadRequest(w, "'"+phase.Name+"' does not match '"+phaseName.String()+"' - 'phases.0.name'")
			return
		}
	}
	record, err := s.bootSet(args[0], args[1])
	switch {
	case err == nil:
		writeBootSet(w, http.StatusConflict, args[0], record)
		return
	case errors.Is(err, errInternal):
		writeInternalError(w)
		return
	}
	record = setRecord{times: Times{Start: s.orNow(body.Metadata.Start)}}
	record.set = BootSet{Name: args[1], Phases: append([]Phase{}, body.Phases...)}
	for i, phase := range record.set.Phases {
		record.set.Phases[i].Metadata = Times{Start: phase.Metadata.Start}
		for _, category := range phase.Categories {
			record.set.Nodes = append(record.set.Nodes, category.Nodes...)
		}
	}
	slices.Sort(record.set.Nodes)
	record.set.Nodes = slices.Compact(record.set.Nodes)
	s.writeSet(args[0], record)
	writeBootSet(w, http.StatusOK, args[0], record)
}

func (s *Server) writeSet(id string, record setRecord) {
	s.store.write(id, "status/"+record.set.Name, record, record.size())
}
