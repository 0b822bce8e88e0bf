package simcfs

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// recordCost is what CFS of CSM 1.5 and later takes to read one record: half a second for 6,000 components.
const recordCost = 83 * time.Microsecond

// readAll counts, and with RealCosts waits for, the reading of as many records. A list or a filter reads all records of
// a kind, however few it is for. Others are served meanwhile.
func (s *Server) readAll(records int) {
	s.recordsRead += records
	if !s.options.RealCosts || !s.release.v3 {
		return
	}
	cost := time.Duration(records) * recordCost
	s.readingTime += cost
	s.mu.Unlock()
	time.Sleep(cost)
	s.mu.Lock()
}

// ReadingTime returns how long CFS has spent with reading so far, which is nothing without RealCosts.
func (s *Server) ReadingTime() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readingTime
}

// RecordsRead returns how many records CFS has read for requests so far.
func (s *Server) RecordsRead() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recordsRead
}

// page is what limit and after_id ask for.
type page struct {
	limit int // 0: no limit
	after string
}

// pageOf returns the page that a query asks for. In v2 it is the first one.
func (s *Server) pageOf(r request) (page, *problem) {
	switch text := r.URL.Query().Get("limit"); {
	case !s.release.v3:
		return page{}, nil
	case !r.v3 || text == "":
		return page{s.pageSize(), r.after()}, nil
	default:
		limit, err := strconv.Atoi(text)
		if err != nil {
			return page{}, badRequest("Wrong type, expected 'integer' for query parameter 'limit'")
		}
		if limit < 1 {
			return page{}, badRequest(fmt.Sprintf("%d is less than the minimum of 1", limit))
		}
		return page{limit, r.after()}, nil
	}
}

func (r request) after() string {
	if !r.v3 {
		return ""
	}
	return r.URL.Query().Get("after_id")
}

// collect returns the records of a page that match, and whether more follow. It looks at one record after the other
// and stops when the page is full, so a record that cannot be filtered fails the pages that reach it. The record that
// after names need not exist any more.
func collect[T any](s *Server, records map[string]T, p page, matches func(T) (bool, *problem)) ([]T, bool, *problem) {
	s.readAll(len(records))
	var found []T
	for _, key := range s.release.sort(slices.Collect(maps.Keys(records))) {
		if p.after != "" && key <= p.after {
			continue
		}
		ok, bad := matches(records[key])
		switch {
		case bad != nil:
			return nil, false, bad
		case !ok:
			continue
		case p.limit > 0 && len(found) == p.limit:
			return found, true, nil
		}
		found = append(found, records[key])
	}
	return found, false, nil
}

// nextOf returns the parameters of the next page: every one that the list has, with what stands for its absence.
func nextOf(more bool, query url.Values, p page, last string, absent map[string]any) any {
	if !more {
		return nil
	}
	next := maps.Clone(absent)
	next["limit"], next["after_id"] = p.limit, last
	for name, value := range absent {
		text := query.Get(name)
		_, isBool := value.(bool)
		switch {
		case !query.Has(name):
		case isBool || name == "enabled":
			next[name] = strings.EqualFold(text, "true")
		default:
			next[name] = text
		}
	}
	return next
}

func bodies[T any](items []T, body func(T) any) []any {
	list := make([]any, 0, len(items))
	for _, item := range items {
		list = append(list, body(item))
	}
	return list
}

// checkEnum returns a problem if a parameter is there and has none of the values. v3 also allows an empty one.
func checkEnum(r request, name string, values ...string) *problem {
	value := r.URL.Query().Get(name)
	if !r.URL.Query().Has(name) || r.v3 && value == "" || slices.Contains(values, value) {
		return nil
	}
	return badRequest(fmt.Sprintf("'%s' is not one of ['%s']", value, strings.Join(values, "', '")))
}

// parseTags parses the filter tags: key=value pairs, separated by commas.
func parseTags(text string) (map[string]string, *problem) {
	tags := map[string]string{}
	if text == "" {
		return tags, nil
	}
	for tag := range strings.SplitSeq(text, ",") {
		pair := strings.Split(tag, "=")
		if len(pair) != 2 {
			return nil, malformedTags
		}
		tags[pair[0]] = pair[1]
	}
	return tags, nil
}

// hasTags reports whether all tags are there with the same values.
func hasTags(have, want map[string]string) bool {
	for key, value := range want {
		if got, ok := have[key]; !ok || got != value {
			return false
		}
	}
	return true
}

func orEmpty(tags map[string]string) map[string]string {
	if tags == nil {
		return map[string]string{}
	}
	return tags
}
