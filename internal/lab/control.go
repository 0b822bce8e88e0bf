package lab

import (
	"encoding/json"
	"net/http"
)

// control serves what a person or a script asks of the lab itself.
func (s *Server) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /lab/state", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(objectsJSON(s.Objects()))
	})
	mux.HandleFunc("GET /lab/truth", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(s.World.TruthDocument())
	})
	mux.HandleFunc("GET /lab/requests", func(w http.ResponseWriter, _ *http.Request) {
		requests := s.Requests()
		danger := s.Danger()
		if danger == nil {
			danger = []string{}
		}
		sendJSON(w, map[string]any{
			"total": len(requests), "counts": count(requests), "danger": danger,
			"bosListRetries": s.BOS.ListRetries(), "bosBusyWorkers": s.BOS.Busy(),
		})
	})
	mux.HandleFunc("GET /lab/log", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, s.Requests()) })
	mux.HandleFunc("GET /lab/faults", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, s.faults.all()) })
	mux.HandleFunc("POST /lab/faults", s.postFault)
	mux.HandleFunc("DELETE /lab/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /lab/restart-bos", func(w http.ResponseWriter, _ *http.Request) {
		s.BOS.Restart()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func (s *Server) postFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&f)
	if err == nil {
		err = s.AddFault(f)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func sendJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(body)
}
